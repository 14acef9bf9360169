package pattern

import (
	"cmp"
	"math"
	"slices"
)

// intervals finds the ranges around a number. It is a balanced search tree by the lower ends, in one slice: the root of a part is its
// middle. The zero value is empty.
type intervals struct {
	all []interval
}

type interval struct {
	numbers
	id      clauseID
	highest float64 // upper end of the part that this is the root of
}

func (t *intervals) add(n numbers, id clauseID) {
	t.all = append(t.all, interval{numbers: n, id: id})
}

// arrange must be called after the last add.
func (t *intervals) arrange() {
	slices.SortFunc(t.all, func(a, b interval) int { return cmp.Compare(a.low, b.low) })
	highestOf(t.all)
}

func highestOf(part []interval) float64 {
	if len(part) == 0 {
		return math.Inf(-1)
	}
	middle := len(part) / 2
	root := &part[middle]
	root.highest = max(root.high, highestOf(part[:middle]), highestOf(part[middle+1:]))
	return root.highest
}

// around appends the clauses of the ranges around n, those that n is an excluded end of among them.
func (t *intervals) around(n float64, to []clauseID) []clauseID { return around(t.all, n, to) }

func around(part []interval, n float64, to []clauseID) []clauseID {
	for len(part) > 0 {
		middle := len(part) / 2
		root := &part[middle]
		if root.highest < n {
			return to
		}
		to = around(part[:middle], n, to)
		if root.low > n {
			return to
		}
		if root.high >= n {
			to = append(to, root.id)
		}
		part = part[middle+1:]
	}
	return to
}
