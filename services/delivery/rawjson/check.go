package rawjson

import "strconv"

// maxNesting is how deep a text may nest, as in encoding/json.
const maxNesting = 10_000

// Facts are what there is to know of a valid text.
type Facts struct {
	Depth int // how deep it nests: 1 for an object of scalars
	// Wide says that it has an integer, a number without fraction or exponent, that is not within int64.
	Wide bool
}

// CheckObject tells whether the text is one JSON object, in one pass over it. As in encoding/json, strings may have bytes that are not UTF-8.
func CheckObject[T string | []byte](text T) (Facts, bool) {
	c := checker[T]{text: text}
	ok := c.next() == '{' && c.value(0)
	c.next()
	return c.facts, ok && c.at == len(text)
}

// checker validates a text.
type checker[T string | []byte] struct {
	text  T
	at    int
	facts Facts
}

// next steps over spaces and returns the byte after them; 0 at the end.
func (c *checker[T]) next() byte {
	for ; c.at < len(c.text); c.at++ {
		switch b := c.text[c.at]; b {
		case ' ', '\t', '\r', '\n':
		default:
			return b
		}
	}
	return 0
}

// value reads one, inside of so many others.
func (c *checker[T]) value(depth int) bool {
	switch c.next() {
	case '{':
		return c.nested(depth+1, '}', true)
	case '[':
		return c.nested(depth+1, ']', false)
	case '"':
		return c.string()
	case 't':
		return c.word("true")
	case 'f':
		return c.word("false")
	case 'n':
		return c.word("null")
	}
	return c.number()
}

// nested reads an object or an array.
func (c *checker[T]) nested(depth int, end byte, named bool) bool {
	c.facts.Depth = max(c.facts.Depth, depth)
	c.at++
	if c.next() == end {
		c.at++
		return depth <= maxNesting
	}
	for depth <= maxNesting {
		if named {
			if c.next() != '"' || !c.string() || c.next() != ':' {
				return false
			}
			c.at++
		}
		if !c.value(depth) {
			return false
		}
		b := c.next()
		c.at++
		if b != ',' {
			return b == end
		}
	}
	return false
}

func (c *checker[T]) string() bool {
	for i := c.at + 1; i < len(c.text); i++ {
		switch b := c.text[i]; {
		case b == '"':
			c.at = i + 1
			return true
		case b < 0x20:
			return false
		case b != '\\':
			continue
		}
		i++
		if i == len(c.text) {
			return false
		}
		switch c.text[i] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		case 'u':
			for range 4 {
				if i++; i == len(c.text) || !isHex(c.text[i]) {
					return false
				}
			}
		default:
			return false
		}
	}
	return false
}

func isHex(b byte) bool { return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F' }

func (c *checker[T]) word(w string) bool {
	if len(c.text)-c.at < len(w) || string(c.text[c.at:c.at+len(w)]) != w {
		return false
	}
	c.at += len(w)
	return true
}

func (c *checker[T]) number() bool {
	start, whole := c.at, true
	c.skip('-', '-')
	if !c.skip('0', '0') && !c.digits() {
		return false
	}
	if c.skip('.', '.') {
		whole = false
		if !c.digits() {
			return false
		}
	}
	if c.skip('e', 'E') {
		whole = false
		_ = c.skip('+', '-')
		if !c.digits() {
			return false
		}
	}
	if whole && c.at-start > 18 && !c.facts.Wide { // 18 digits always fit
		_, err := strconv.ParseInt(string(c.text[start:c.at]), 10, 64)
		c.facts.Wide = err != nil
	}
	return true
}

// skip steps over one of two bytes and says whether it did.
func (c *checker[T]) skip(a, b byte) bool {
	if c.at < len(c.text) && (c.text[c.at] == a || c.text[c.at] == b) {
		c.at++
		return true
	}
	return false
}

// digits steps over them and says whether there were any.
func (c *checker[T]) digits() bool {
	start := c.at
	for c.at < len(c.text) && c.text[c.at] >= '0' && c.text[c.at] <= '9' {
		c.at++
	}
	return c.at > start
}
