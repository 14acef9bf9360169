package pattern

// sharing counts how many fields of an index have a predicate in common, to tell how many clauses a value would lead to.
type sharing map[shared]int

// shared is a predicate at a path.
type shared struct {
	field     int
	predicate any // comparable
}

type (
	anyRange struct{}                   // the ranges at a path: how they overlap is not looked at
	anyDates struct{}                   // likewise
	anyCase  struct{ kind, key string } // a string in any case
)

// broad is the cost of a predicate that nearly every value satisfies.
const broad = 1 << 24

func (s sharing) count(f slot) {
	for _, p := range f.values {
		if key, _ := handle(p); key != nil {
			s[shared{f.number, key}]++
		}
	}
}

// cost is about how many clauses are judged for an event that has an anchor like this.
func (s sharing) cost(f slot) int {
	cost := 0
	for _, p := range f.values {
		key, weight := handle(p)
		if key == nil {
			cost += broad
			continue
		}
		cost += weight * s[shared{f.number, key}]
	}
	return cost
}

// handle is what a predicate is found by, with a weight for how many values lead to it; nil if it is not found but tried.
func handle(p predicate) (key any, weight int) {
	const exactly, partly, loosely = 2, 6, 8
	switch p := p.(type) {
	case text, address, number, literal:
		return p, exactly
	case prefix, suffix, network:
		return p, partly
	case foldEqual:
		return foldHandle("equal", p.folded), exactly
	case foldPrefix:
		return foldHandle("prefix", p.folded), partly
	case foldSuffix:
		return foldHandle("suffix", p.folded), partly
	case wildcard:
		return p.handle(), loosely
	case expression:
		return p.handle(), loosely
	case numbers:
		return anyRange{}, 1
	case dates:
		return anyDates{}, 1
	}
	return nil, 0
}

func foldHandle(kind string, f *folded) any {
	if f.key == "" {
		return nil
	}
	return anyCase{kind, f.key}
}

// handle is the text that a wildcard begins or ends with; nil if it does neither.
func (w wildcard) handle() any {
	if head := w.parts[0]; head != "" {
		return prefix(head)
	}
	if tail := w.parts[len(w.parts)-1]; tail != "" {
		return suffix(tail)
	}
	return nil
}
