package pattern_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/big"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// naive judges an event in the plainest way: it tries every choice of one value for each field. ok is false for what it does not
// cover: keys given twice, numbers with large exponents, and too many choices.
func naive(patternText, event string) (match, ok bool) {
	want, ok := decode(patternText)
	if !ok {
		return false, false
	}
	have, ok := decode(event)
	if !ok {
		return false, false
	}
	alternatives, ok := expand(want.(map[string]any), "")
	if !ok {
		return false, false
	}
	object, isObject := have.(map[string]any)
	if !isObject {
		return false, true
	}
	w := world{}
	w.collect(object, "", nil)
	for _, fields := range alternatives {
		var paths []string
		for path := range fields {
			paths = append(paths, path)
		}
		match = match || w.choose(fields, paths, nil, nil)
	}
	return match, w.tries < 100_000
}

func decode(text string) (any, bool) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil || d.More() || !json.Valid([]byte(text)) {
		return nil, false
	}
	var again bytes.Buffer
	e := json.NewEncoder(&again)
	e.SetEscapeHTML(false)
	var original bytes.Buffer
	if e.Encode(v) != nil || json.Compact(&original, []byte(text)) != nil {
		return nil, false
	}
	for _, exponent := range regexp.MustCompile(`[eE][-+]?[0-9]{3,}`).FindAllString(text, -1) {
		if len(exponent) > 5 {
			return nil, false
		}
	}
	return v, again.Len()-1 >= original.Len() // shorter: a key was given twice, or a text was replaced
}

// expand returns the alternatives of a pattern, each with its fields by path.
func expand(object map[string]any, path string) ([]map[string][]any, bool) {
	all := []map[string][]any{{}}
	for key, inner := range object {
		at := path + "." + key
		var options []map[string][]any
		ok := true
		switch inner := inner.(type) {
		case map[string]any:
			options, ok = expand(inner, at)
		case []any:
			if key != "$or" {
				options = []map[string][]any{{at: inner}}
				break
			}
			for _, branch := range inner {
				more, fine := expand(branch.(map[string]any), path)
				ok = ok && fine
				options = append(options, more...)
			}
		}
		if !ok || len(all)*len(options) > 200 {
			return nil, false
		}
		var next []map[string][]any
		for _, a := range all {
			for _, o := range options {
				both := map[string][]any{}
				maps.Copy(both, a)
				for p, values := range o {
					if _, twice := both[p]; twice {
						return nil, false
					}
					both[p] = values
				}
				next = append(next, both)
			}
		}
		all = next
	}
	return all, true
}

// world is the values of an event.
type world struct {
	values []found
	arrays int
	tries  int
}

// found is a value, its path, and the element it is in of each array around it.
type found struct {
	path  string
	value any
	in    map[int]int
}

func (w *world) collect(v any, path string, in map[int]int) {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			at := path + "." + key
			w.collect(inner, at, in)
		}
	case []any:
		w.arrays++
		id := w.arrays
		for i, inner := range v {
			inside := map[int]int{id: i}
			maps.Copy(inside, in)
			w.collect(inner, path, inside)
		}
	default:
		w.values = append(w.values, found{path, v, in})
	}
}

func agree(a, b map[int]int) bool {
	for array, e := range a {
		if other, both := b[array]; both && other != e {
			return false
		}
	}
	return true
}

// choose takes a value for the first of the paths, or its absence, and goes on with the others.
func (w *world) choose(fields map[string][]any, paths []string, chosen map[int]int, absent []string) bool {
	if w.tries++; w.tries >= 100_000 {
		return false
	}
	if len(paths) == 0 {
		for _, v := range w.values {
			for _, path := range absent {
				if v.path == path && agree(v.in, chosen) {
					return false
				}
			}
		}
		return true
	}
	path := paths[0]
	mayBeAbsent := false
	for _, want := range fields[path] {
		operator, _ := want.(map[string]any)
		if operator["exists"] == false {
			mayBeAbsent = true
		}
	}
	for _, v := range w.values {
		if v.path != path || !agree(v.in, chosen) || !anyHolds(fields[path], v.value) {
			continue
		}
		with := map[int]int{}
		for _, m := range []map[int]int{chosen, v.in} {
			maps.Copy(with, m)
		}
		if w.choose(fields, paths[1:], with, absent) {
			return true
		}
	}
	return mayBeAbsent && w.choose(fields, paths[1:], chosen, append(slices.Clip(absent), path))
}

func anyHolds(wanted []any, v any) bool {
	for _, want := range wanted {
		operator, isOperator := want.(map[string]any)
		if !isOperator && equal(want, v, true) {
			return true
		}
		for name, operand := range operator {
			if holds(name, operand, v) {
				return true
			}
		}
	}
	return false
}

func equal(want, v any, addresses bool) bool {
	switch want := want.(type) {
	case string:
		s, ok := v.(string)
		if !ok || s == want || !addresses {
			return ok && s == want
		}
		a, err := netip.ParseAddr(want)
		b, err2 := netip.ParseAddr(s)
		return err == nil && err2 == nil && a == b && a.Zone() == ""
	case json.Number:
		n, ok := v.(json.Number)
		if !ok {
			return false
		}
		a, b := carried(want), carried(n)
		if a == nil || b == nil {
			return a == nil && b == nil && n == want
		}
		return a.Cmp(b) == 0
	default:
		return want == v
	}
}

// carried is the value of a number that binary64 carries.
func carried(n json.Number) *big.Rat {
	f, err := strconv.ParseFloat(string(n), 64)
	if err != nil {
		return nil
	}
	exact, _ := new(big.Rat).SetString(string(n))
	if shortest, _ := new(big.Rat).SetString(strconv.FormatFloat(f, 'g', -1, 64)); exact.Cmp(shortest) != 0 {
		return nil
	}
	return exact
}

func holds(name string, operand, v any) bool {
	s, isString := v.(string)
	inner, nested := operand.(map[string]any)
	switch name {
	case "exists":
		return operand == true
	case "anything-but":
		return !excluded(operand, v)
	case "numeric":
		return inRange(operand.([]any), v)
	case "prefix", "suffix":
		if nested {
			return isString && foldEnds(inner["equals-ignore-case"].(string), s, name == "prefix", false)
		}
		if name == "prefix" {
			return isString && strings.HasPrefix(s, operand.(string))
		}
		return isString && strings.HasSuffix(s, operand.(string))
	case "equals-ignore-case":
		return isString && foldEnds(operand.(string), s, true, true)
	case "wildcard":
		return isString && glob(operand.(string)).MatchString(s)
	case "freshet:regexp":
		return isString && len(s) <= 4096 && regexp.MustCompile(`^(?:`+operand.(string)+`)$`).MatchString(s)
	case "freshet:date":
		return isString && dated(operand.([]any), s)
	case "cidr":
		a, err := netip.ParseAddr(s)
		return isString && err == nil && a.Zone() == "" && netip.MustParsePrefix(operand.(string)).Contains(a)
	}
	return false
}

func excluded(operand, v any) bool {
	switch operand := operand.(type) {
	case map[string]any:
		for name, list := range operand {
			many, isList := list.([]any)
			if !isList {
				many = []any{list}
			}
			for _, one := range many {
				if holds(name, one, v) {
					return true
				}
			}
		}
		return false
	case []any:
		for _, one := range operand {
			if equal(one, v, false) {
				return true
			}
		}
		return false
	default:
		return equal(operand, v, false)
	}
}

func inRange(terms []any, v any) bool {
	text, ok := v.(json.Number)
	if !ok || carried(text) == nil {
		return false
	}
	for i := 0; i < len(terms); i += 2 {
		c := carried(text).Cmp(carried(terms[i+1].(json.Number)))
		switch terms[i] {
		case "=":
			ok = ok && c == 0
		case "<":
			ok = ok && c < 0
		case "<=":
			ok = ok && c <= 0
		case ">":
			ok = ok && c > 0
		case ">=":
			ok = ok && c >= 0
		}
	}
	return ok
}

// dated compares times as numbers of nanoseconds since the year 0.
func dated(terms []any, s string) bool {
	at := nanoseconds(s)
	ok := at != nil
	for i := 0; i < len(terms) && ok; i += 2 {
		c := at.Cmp(nanoseconds(terms[i+1].(string)))
		switch terms[i] {
		case "=":
			ok = c == 0
		case "<":
			ok = c < 0
		case "<=":
			ok = c <= 0
		case ">":
			ok = c > 0
		case ">=":
			ok = c >= 0
		}
	}
	return ok
}

var rfc3339 = regexp.MustCompile(`^([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?(Z|[+-]([0-9]{2}):([0-9]{2}))$`)

// nanoseconds reads a time by its digits; nil for what is none.
func nanoseconds(s string) *big.Int {
	m := rfc3339.FindStringSubmatch(s)
	if m == nil {
		return nil
	}
	n := func(i int) int {
		v, _ := strconv.Atoi("0" + m[i])
		return v
	}
	year, month, day := n(1), n(2), n(3)
	leap := year%4 == 0 && (year%100 != 0 || year%400 == 0)
	lengths := []int{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
	if leap {
		lengths[2] = 29
	}
	if month < 1 || month > 12 || day < 1 || day > lengths[month] || n(4) > 23 || n(5) > 59 || n(6) > 59 || n(9) > 23 || n(10) > 59 {
		return nil
	}
	days := year*365 + day
	for y := range year { // leap years before
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			days++
		}
	}
	for _, length := range lengths[:month] {
		days += length
	}
	minutes := (days*24+n(4))*60 + n(5)
	switch offset := n(9)*60 + n(10); {
	case strings.HasPrefix(m[8], "+"):
		minutes -= offset
	case strings.HasPrefix(m[8], "-"):
		minutes += offset
	}
	total := big.NewInt(int64(minutes)*60 + int64(n(6)))
	fraction, _ := strconv.Atoi((m[7] + "000000000")[:9])
	return total.Add(total.Mul(total, big.NewInt(1_000_000_000)), big.NewInt(int64(fraction)))
}

func glob(w string) *regexp.Regexp {
	e := "(?s)^"
	for i := 0; i < len(w); i++ {
		switch w[i] {
		case '\\':
			i++
			e += regexp.QuoteMeta(w[i : i+1])
		case '*':
			e += ".*"
		default:
			n := strings.IndexAny(w[i:]+"*", `*\`)
			e += regexp.QuoteMeta(w[i : i+n])
			i += n - 1
		}
	}
	return regexp.MustCompile(e + "$")
}

// foldEnds tries every spelling of the pattern's characters.
func foldEnds(want, s string, front, whole bool) bool {
	left := map[string]bool{s: true}
	runes := []rune(want)
	for i := range runes {
		r := string(runes[i])
		if !front {
			r = string(runes[len(runes)-1-i])
		}
		next := map[string]bool{}
		for rest := range left {
			for _, spelling := range []string{cases.Lower(language.Und).String(r), cases.Upper(language.Und).String(r)} {
				if cut, ok := strings.CutPrefix(rest, spelling); front && ok {
					next[cut] = true
				}
				if cut, ok := strings.CutSuffix(rest, spelling); !front && ok {
					next[cut] = true
				}
			}
		}
		left = next
	}
	return !whole && len(left) > 0 || left[""]
}
