package pattern

import "slices"

// maxTries bounds the search where a field has values in several places that are not elements of one array. That takes a key that is
// given twice, or once nested and once with dots; an event where it does not suffice does not match.
const maxTries = 1000

// judge applies EventBridge's array consistency: the fields of a clause must be satisfied by one choice of at most one element of each
// array. A field that must be absent must have no value that goes with the elements chosen for the others; so it is looked at last.
type judge struct {
	fields int
	budget int
}

// question is about one branch.
type question struct {
	needed   set // fields that must be satisfied in it
	optional set // fields that must be satisfied in it or absent
	absent   set // fields that must be absent
}

func (q question) clone() question {
	return question{q.needed.clone(), q.optional.clone(), q.absent.clone()}
}

// holds tells whether there is a choice of elements in the branch, which itself is chosen.
func (j *judge) holds(b *branch, q question) bool {
	inside := make([]question, len(b.arrays)) // what is asked of each array
	for i := range inside {
		inside[i] = question{newSet(j.fields), newSet(j.fields), newSet(j.fields)}
	}
	for f := range j.fields {
		asked, fine := true, true
		switch {
		case q.needed.has(f):
			asked, fine = j.need(b, q, f, inside)
		case q.optional.has(f):
			asked, fine = j.want(b, q, f, inside)
		case q.absent.has(f):
			fine = !b.here.values.has(f)
			for i := range b.arrays {
				if b.arrays[i].below.values.has(f) {
					inside[i].absent.add(f)
				}
			}
		}
		if !asked || !fine {
			return fine
		}
	}
	for i := range b.arrays {
		if !j.array(&b.arrays[i], inside[i]) {
			return false
		}
	}
	return true
}

// need finds the place where a field must be satisfied. Where there are several, it answers the whole question by trying them.
func (j *judge) need(b *branch, q question, f int, inside []question) (asked, fine bool) {
	only, places := -1, 0
	for i := range b.arrays {
		if b.arrays[i].below.hits.has(f) {
			only = i
			places++
		}
	}
	switch here := b.here.hits.has(f); {
	case here && (places == 0 || q.absent.empty() && q.optional.empty()): // to choose no element leaves most open
		return true, true
	case !here && places == 0:
		return true, false
	case !here && places == 1:
		inside[only].needed.add(f)
		return true, true
	}
	return false, j.tryPlaces(b, q, f)
}

// tryPlaces answers the question with the field taken from each of its places in turn.
func (j *judge) tryPlaces(b *branch, q question, f int) bool {
	try := func(here bool, place int) bool {
		if j.budget--; j.budget < 0 {
			return false
		}
		return j.holds(b.withOnly(f, here, place), q)
	}
	if b.here.hits.has(f) && try(true, -1) {
		return true
	}
	for i := range b.arrays {
		if b.arrays[i].below.hits.has(f) && try(false, i) {
			return true
		}
	}
	return false
}

// withOnly is the branch with the hits of a field in one place only.
func (b *branch) withOnly(f int, here bool, place int) *branch {
	c := *b
	c.here.hits = b.here.hits.clone()
	if !here {
		c.here.hits.remove(f)
	}
	c.arrays = slices.Clone(b.arrays)
	for i := range c.arrays {
		c.arrays[i].below.hits = b.arrays[i].below.hits.clone()
		if i != place {
			c.arrays[i].below.hits.remove(f)
		}
	}
	return &c
}

// want finds the place where a field is satisfied or absent. Where there are several, it answers the whole question for either case.
func (j *judge) want(b *branch, q question, f int, inside []question) (asked, fine bool) {
	only, places := -1, 0
	for i := range b.arrays {
		if b.arrays[i].below.values.has(f) {
			only = i
			places++
		}
	}
	switch here := b.here.values.has(f); {
	case !here && places == 0:
		return true, true
	case here && places == 0:
		return true, b.here.hits.has(f)
	case !here && places == 1:
		inside[only].optional.add(f)
		return true, true
	}
	if j.budget--; j.budget < 0 {
		return false, false
	}
	satisfied, absent := q.clone(), q.clone()
	satisfied.optional.remove(f)
	satisfied.needed.add(f)
	absent.optional.remove(f)
	absent.absent.add(f)
	return false, j.holds(b, satisfied) || j.holds(b, absent)
}

// array tells whether an element of the array can be chosen, or need not be.
func (j *judge) array(a *array, q question) bool {
	if q.needed.empty() && !q.optional.meets(a.below.hits) {
		return q.optional.empty() && q.absent.empty() // both have values here, and no element is chosen that leaves them out
	}
	for _, b := range a.branches {
		chosen := !q.needed.empty() || q.optional.meets(b.below.hits)
		if chosen && j.holds(b, q) {
			return true
		}
	}
	return false
}
