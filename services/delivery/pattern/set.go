package pattern

import "math/bits"

// set is a set of the field numbers of one pattern.
type set []uint64

func newSet(fields int) set { return make(set, (fields+63)/64) }

func (s set) add(i int) { s[i/64] |= 1 << (i % 64) }

func (s set) size() int {
	n := 0
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return n
}

// union returns a new set.
func (s set) union(o set) set {
	u := make(set, len(s))
	for i := range s {
		u[i] = s[i] | o[i]
	}
	return u
}

// holds tells whether everything in o is in s.
func (s set) holds(o set) bool {
	for i := range s {
		if o[i]&^s[i] != 0 {
			return false
		}
	}
	return true
}
