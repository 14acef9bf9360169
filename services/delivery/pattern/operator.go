package pattern

import (
	"net/netip"
	"strings"

	"github.com/freshet-io/freshet/services/delivery/rawjson"
)

// operand is the value that an operator is given.
type operand struct {
	kind rawjson.Kind
	text []byte
}

func (o operand) string() string { return rawjson.Text(o.text) }

// elements returns those of an array.
func (o operand) elements() []operand {
	var all []operand
	r := rawjson.NewReader(o.text)
	for r.Enter(); r.More(); {
		all = append(all, operand{r.Kind(), r.Value()})
	}
	return all
}

// only returns the one member of an object, which duplicates of it do not make two.
func (o operand) only() (name string, inner operand, ok bool) {
	r := rawjson.NewReader(o.text)
	n := 0
	for r.Enter(); r.More(); n++ {
		key := rawjson.Text(r.Key())
		if n > 0 && key != name {
			return "", operand{}, false
		}
		name, inner = key, operand{r.Kind(), r.Value()}
	}
	return name, inner, n > 0
}

// operator reads a match object such as {"prefix": "x"}.
func (f *field) operator(r *rawjson.Reader, p place) error {
	name, o, ok := operand{r.Kind(), r.Value()}.only()
	if !ok {
		return p.wrong("a match object must hold one operator")
	}
	q := p.show(name)
	var value predicate
	var err error
	switch name {
	case "prefix", "suffix":
		value, err = affix(name, o, q)
	case "equals-ignore-case":
		value, err = ignoreCase(o, q)
	case "wildcard":
		value, err = oneWildcard(o, q)
	case "anything-but":
		value, err = readAnythingBut(o, q)
	case "numeric":
		value, err = readRange(o, q)
	case "cidr":
		value, err = readCIDR(o, q)
	case regexpOperator:
		value, err = readExpression(o, q)
	case dateOperator:
		value, err = readDates(o, q)
	case "exists":
		switch {
		case o.kind != rawjson.Literal || string(o.text) == "null":
			return q.wrong("exists takes true or false, not %s", o.text)
		case string(o.text) == "false":
			f.absent = true
			return nil
		}
		value = anything{}
	default:
		return p.wrong("%q is not an operator; there are prefix, suffix, equals-ignore-case, anything-but, numeric, exists, cidr and wildcard, "+
			"and beyond EventBridge's %s and %s", name, regexpOperator, dateOperator)
	}
	if err != nil {
		return err
	}
	f.values = append(f.values, value)
	return nil
}

// affix reads what prefix and suffix take: a string, or {"equals-ignore-case": string}.
func affix(name string, o operand, p place) (predicate, error) {
	if o.kind == rawjson.Object {
		inner, s, ok := o.only()
		if !ok || inner != "equals-ignore-case" || s.kind != rawjson.String {
			return nil, p.wrong(`%s takes a string or {"equals-ignore-case": string}`, name)
		}
		if name == "prefix" {
			return foldPrefix{newFolded(s.string())}, nil
		}
		return foldSuffix{newFolded(s.string())}, nil
	}
	if o.kind != rawjson.String {
		return nil, p.wrong(`%s takes a string or {"equals-ignore-case": string}, not %s`, name, o.text)
	}
	if name == "prefix" {
		return prefix(o.string()), nil
	}
	return suffix(o.string()), nil
}

func ignoreCase(o operand, p place) (predicate, error) {
	if o.kind != rawjson.String {
		return nil, p.wrong("equals-ignore-case takes a string, not %s", o.text)
	}
	return foldEqual{newFolded(o.string())}, nil
}

func oneWildcard(o operand, p place) (predicate, error) {
	if o.kind != rawjson.String {
		return nil, p.wrong("wildcard takes a string, not %s", o.text)
	}
	w, fault := parseWildcard(o.string())
	if fault != "" {
		return nil, p.wrong("%s", fault)
	}
	return w, nil
}

// readAnythingBut reads a string, a number, an array of one of these kinds, or an object with one operator on strings.
func readAnythingBut(o operand, p place) (predicate, error) {
	const takes = "anything-but takes a string, a number, an array of only strings or only numbers, " +
		"or an object with prefix, suffix, equals-ignore-case or wildcard"
	if o.kind == rawjson.Object {
		name, inner, ok := o.only()
		if !ok {
			return nil, p.wrong(takes)
		}
		return anythingButLike(name, inner, p.show(name))
	}
	not, ok := listOf(o)
	if !ok || len(not) == 0 {
		return nil, p.wrong(takes)
	}
	b := anythingBut{}
	for _, one := range not {
		switch {
		case one.kind != not[0].kind || one.kind != rawjson.String && one.kind != rawjson.Number:
			return nil, p.wrong(takes)
		case one.kind == rawjson.String:
			b.not = append(b.not, text(one.string()))
		default:
			b.not = append(b.not, number{parseNumber(one.text)})
		}
	}
	return b, nil
}

func anythingButLike(name string, o operand, p place) (predicate, error) {
	switch name {
	case "prefix", "suffix", "equals-ignore-case", "wildcard":
	default:
		return nil, p.wrong("anything-but takes prefix, suffix, equals-ignore-case or wildcard, not %q", name)
	}
	list, ok := listOf(o)
	if !ok || len(list) == 0 {
		return nil, p.wrong("%s inside anything-but takes a string or an array of strings", name)
	}
	b := anythingBut{}
	for _, one := range list {
		if one.kind != rawjson.String {
			return nil, p.wrong("%s inside anything-but takes a string or an array of strings, not %s", name, one.text)
		}
		s := one.string()
		switch {
		case name == "equals-ignore-case":
			b.not = append(b.not, foldEqual{newFolded(s)})
		case name == "wildcard":
			w, err := oneWildcard(one, p)
			if err != nil {
				return nil, err
			}
			b.not = append(b.not, w)
		case s == "":
			return nil, p.wrong("%s inside anything-but must not be empty", name)
		case name == "prefix":
			b.not = append(b.not, prefix(s))
		default:
			b.not = append(b.not, suffix(s))
		}
	}
	return b, nil
}

// listOf takes a value that may stand for a list of one.
func listOf(o operand) (list []operand, ok bool) {
	if o.kind == rawjson.Array {
		return o.elements(), true
	}
	return []operand{o}, o.kind == rawjson.String || o.kind == rawjson.Number
}

// readRange reads [op, number] or [lower op, number, upper op, number].
func readRange(o operand, p place) (predicate, error) {
	const takes = `numeric takes an array: "=", "<", "<=", ">" or ">=" and a number, or a lower bound and then an upper bound, as in [">", 0, "<=", 5]`
	if o.kind != rawjson.Array {
		return nil, p.wrong(takes)
	}
	list := o.elements()
	if len(list) != 2 && len(list) != 4 {
		return nil, p.wrong(takes)
	}
	b := everyNumber()
	for i := 0; i < len(list); i += 2 {
		op, bound := list[i], list[i+1]
		if op.kind != rawjson.String || bound.kind != rawjson.Number {
			return nil, p.wrong(takes)
		}
		n := parseNumber(bound.text)
		if !n.exact {
			return nil, p.wrong("%s cannot be compared: it must be a number that binary64 (IEEE 754) can carry", bound.text)
		}
		comparison := op.string()
		lower := strings.HasPrefix(comparison, ">")
		if !b.restrict(comparison, n.value) || len(list) == 4 && (comparison == "=" || lower != (i == 0)) {
			return nil, p.wrong(takes)
		}
	}
	if len(list) == 4 && b.low >= b.high {
		return nil, p.wrong("the lower bound %s must be less than the upper bound %s", list[1].text, list[3].text)
	}
	return b, nil
}

// readCIDR reads a network such as 10.0.0.0/8. What is set beyond the mask does not count.
func readCIDR(o operand, p place) (predicate, error) {
	const takes = `cidr takes a network such as "10.0.0.0/8" or "2001:db8::/32"`
	if o.kind != rawjson.String {
		return nil, p.wrong("%s, not %s", takes, o.text)
	}
	n, err := netip.ParsePrefix(o.string())
	if err != nil {
		return nil, p.wrong("%s, not %s", takes, o.text)
	}
	if n.Bits() == n.Addr().BitLen() {
		return nil, p.wrong("the mask must be less than %d; for one address, write the address", n.Bits())
	}
	return network(n.Masked()), nil
}
