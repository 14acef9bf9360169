package pattern

// hits are the values of an event that satisfy fields of one pattern, in the shape of the event: what was found outside every array,
// and the arrays with, element by element, what was found in them.
type hits struct {
	fields int // of the pattern
	root   element
}

// element is an element of an array, or the event itself.
type element struct {
	found  set
	arrays map[int]map[int]*element // by array and index
}

func newHits(fields int) *hits {
	return &hits{fields: fields, root: element{found: newSet(fields)}}
}

// add notes that a value at the end of the trail satisfies the field.
func (h *hits) add(field int, at trail) {
	e := &h.root
	for _, s := range at {
		e = e.inside(s, h.fields)
	}
	e.found.add(field)
}

func (e *element) inside(s step, fields int) *element {
	if e.arrays == nil {
		e.arrays = map[int]map[int]*element{}
	}
	if e.arrays[s.array] == nil {
		e.arrays[s.array] = map[int]*element{}
	}
	inner := e.arrays[s.array][s.element]
	if inner == nil {
		inner = &element{found: newSet(fields)}
		e.arrays[s.array][s.element] = inner
	}
	return inner
}

// consistent tells whether every field can be satisfied with at most one element taken from each array: EventBridge's array
// consistency.
func (h *hits) consistent() bool {
	if len(h.root.arrays) == 0 {
		return h.root.found.size() == h.fields
	}
	for _, s := range h.root.reach() {
		if s.size() == h.fields {
			return true
		}
	}
	return false
}

// reach returns the sets of fields that one choice of elements satisfies, without those that another choice surpasses. Arrays of one
// element are chosen from independently; of one array, one element.
func (e *element) reach() []set {
	reached := []set{e.found}
	for _, array := range e.arrays {
		var choices []set
		for _, inner := range array {
			for _, s := range inner.reach() {
				choices = addMaximal(choices, s)
			}
		}
		var next []set
		for _, r := range reached {
			for _, c := range choices {
				next = addMaximal(next, r.union(c))
			}
		}
		reached = next
	}
	return reached
}

// addMaximal adds s unless a set of the list holds all of it, and drops those it holds all of.
func addMaximal(list []set, s set) []set {
	kept := list[:0]
	for _, o := range list {
		if o.holds(s) {
			return list
		}
		if !s.holds(o) {
			kept = append(kept, o)
		}
	}
	return append(kept, s)
}
