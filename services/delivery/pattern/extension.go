package pattern

import (
	"cmp"
	"math"
	"regexp"
	"regexp/syntax"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/freshet-io/freshet/services/delivery/rawjson"
)

// Operators that EventBridge does not have. Their names say so: it refuses patterns that have them, so that every pattern that both take
// means the same to both.
const (
	regexpOperator = "freshet:regexp"
	dateOperator   = "freshet:date"
)

const (
	maxExpression = 256  // characters of a regular expression
	maxProgram    = 256  // instructions that it compiles to, so that a repetition cannot make much of little
	maxExpressed  = 4096 // bytes of a string that is tried: longer ones do not fit
)

// expression is a string that fits a regular expression as a whole. It is found by the text that it begins with, if it has one.
type expression struct {
	*regexp.Regexp
	begins string
}

func (e expression) holds(v *value) bool {
	return v.kind == rawjson.String && len(v.text) <= maxExpressed && e.Match(v.text)
}

// readExpression reads a regular expression as Go and RE2 write them (https://github.com/google/re2/wiki/Syntax): one is matched in a time
// that is linear in the text.
func readExpression(o operand, p place) (predicate, error) {
	if o.kind != rawjson.String {
		return nil, p.wrong("%s takes a string, a regular expression, not %s", regexpOperator, o.text)
	}
	text := o.string()
	if n := utf8.RuneCountInString(text); n > maxExpression {
		return nil, p.wrong("the regular expression has %d characters; at most %d are allowed", n, maxExpression)
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, p.wrong("%s", strings.Replace(err.Error(), "error parsing regexp", "it is not a regular expression", 1))
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, p.wrong("it is not a regular expression: %s", err)
	}
	if n := len(program.Inst); n > maxProgram {
		return nil, p.wrong("the regular expression is too complex: %d instructions; at most %d are allowed", n, maxProgram)
	}
	inner, err := regexp.Compile(text)
	if err != nil {
		return nil, p.wrong("it is not a regular expression: %s", err)
	}
	whole, err := regexp.Compile(`\A(?:` + text + `)\z`)
	if err != nil {
		return nil, p.wrong("it is not a regular expression: %s", err)
	}
	begins, _ := inner.LiteralPrefix()
	return expression{whole, begins}, nil
}

// handle is the text that an expression begins with; nil if it may begin in several ways.
func (e expression) handle() any {
	if e.begins == "" {
		return nil
	}
	return prefix(e.begins)
}

// instant is a time as patterns compare it, from 1970 on.
type instant struct {
	seconds int64
	nanos   int
}

func (i instant) compare(o instant) int {
	return cmp.Or(cmp.Compare(i.seconds, o.seconds), cmp.Compare(i.nanos, o.nanos))
}

// parseInstant reads a time as RFC 3339 section 5.6 writes it, with capital letters. What is finer than a nanosecond is left away.
func parseInstant(text []byte) (i instant, ok bool) {
	if !spellsTime(text) {
		return instant{}, false
	}
	t, err := time.Parse(time.RFC3339, string(text))
	return instant{t.Unix(), t.Nanosecond()}, err == nil
}

// spellsTime tells whether a text has the form of a time: time.Parse takes more than that, such as hours of one digit.
func spellsTime(text []byte) bool {
	const seconds, offset = "0000-00-00T00:00:00", "00:00"
	if len(text) <= len(seconds) || !spelled(text[:len(seconds)], seconds) {
		return false
	}
	rest := text[len(seconds):]
	if rest[0] == '.' {
		digits := 1
		for digits < len(rest) && isDigit(rest[digits]) {
			digits++
		}
		if rest = rest[digits:]; digits == 1 || len(rest) == 0 {
			return false
		}
	}
	switch rest[0] {
	case 'Z':
		return len(rest) == 1
	case '+', '-':
		return spelled(rest[1:], offset) && string(rest[1:3]) < "24" && string(rest[4:]) < "60"
	}
	return false
}

// spelled tells whether a text has digits where a form has them, and otherwise its characters.
func spelled(text []byte, form string) bool {
	if len(text) != len(form) {
		return false
	}
	for i, c := range text {
		if form[i] == '0' && !isDigit(c) || form[i] != '0' && c != form[i] {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// dates is a string that spells a time within an interval.
type dates struct {
	low, high         instant
	openLow, openHigh bool
}

// restrict narrows the interval by a comparison; false if there is no such.
func (d *dates) restrict(comparison string, bound instant) bool {
	switch comparison {
	case "=":
		d.low, d.high = bound, bound
	case "<", "<=":
		d.high, d.openHigh = bound, comparison == "<"
	case ">", ">=":
		d.low, d.openLow = bound, comparison == ">"
	default:
		return false
	}
	return true
}

func (d dates) holds(v *value) bool {
	if v.kind != rawjson.String {
		return false
	}
	at, ok := parseInstant(v.text)
	if !ok {
		return false
	}
	low, high := d.low.compare(at), d.high.compare(at)
	return (low < 0 || low == 0 && !d.openLow) && (high > 0 || high == 0 && !d.openHigh)
}

// outline is an interval of whole seconds that has all of the dates.
func (d dates) outline() numbers {
	return numbers{low: float64(d.low.seconds), high: float64(d.high.seconds)}
}

// readDates reads [op, time] or [lower op, time, upper op, time].
func readDates(o operand, p place) (predicate, error) {
	const takes = `freshet:date takes an array: "=", "<", "<=", ">" or ">=" and a time, or a lower bound and then an upper bound, as in ` +
		`[">=", "2026-01-01T00:00:00Z", "<", "2027-01-01T00:00:00Z"]`
	if o.kind != rawjson.Array {
		return nil, p.wrong(takes)
	}
	list := o.elements()
	if len(list) != 2 && len(list) != 4 {
		return nil, p.wrong(takes)
	}
	d := dates{low: instant{seconds: math.MinInt64}, high: instant{seconds: math.MaxInt64}}
	for i := 0; i < len(list); i += 2 {
		op, bound := list[i], list[i+1]
		if op.kind != rawjson.String || bound.kind != rawjson.String {
			return nil, p.wrong(takes)
		}
		at, ok := parseInstant(content(bound.text))
		if !ok {
			return nil, p.wrong("%s is not a time as in RFC 3339, for instance 2026-01-31T12:00:00Z", bound.text)
		}
		comparison := op.string()
		lower := strings.HasPrefix(comparison, ">")
		if !d.restrict(comparison, at) || len(list) == 4 && (comparison == "=" || lower != (i == 0)) {
			return nil, p.wrong(takes)
		}
	}
	if len(list) == 4 && d.low.compare(d.high) >= 0 {
		return nil, p.wrong("the lower bound %s must be before the upper bound %s", list[1].text, list[3].text)
	}
	return d, nil
}
