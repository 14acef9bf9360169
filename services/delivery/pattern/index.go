package pattern

import (
	"slices"
	"strings"
	"sync"
)

// RuleID names a pattern in an [Index].
type RuleID string

// Entry is a pattern of an [Index].
type Entry struct {
	ID      RuleID
	Pattern *Pattern
}

// Index matches an event against many patterns in one pass over its text. It is immutable and safe for concurrent use.
//
// Each clause of a pattern is found by one of its fields, its anchor: the one that the fewest others share. A lookup for each path
// that has anchors leads from a value to the clauses it may concern; only those are judged. So what a rule costs is the events that
// have its anchor, whatever number of rules there are. Two kinds of clauses have no better anchor than that there is some value:
// those whose fields all take nearly anything (anything-but, exists: true, wildcards that begin and end with *), and those that only
// ask for absence, which are judged for every event.
type Index struct {
	root     *node
	entries  []Entry
	clauses  []anchored
	lookups  []*lookup // by field; nil where there is no anchor
	always   []clauseID
	readings sync.Pool // of *reading
}

// anchored is a clause of an entry.
type anchored struct {
	entry  int
	fields []slot
	sure   int // the field that a candidate is known to satisfy, which is its anchor; -1 if that has to be looked at
}

// clauseID is an index in Index.clauses.
type clauseID int32

// slot is a field of a clause with its number in the index.
type slot struct {
	*field
	number int
}

// NewIndex prepares the entries for matching.
func NewIndex(entries []Entry) *Index {
	x := &Index{root: newNode(), entries: entries}
	fields := 0
	same := map[[2]string]slot{} // what many patterns ask for is kept once: the processor has it at hand then
	for e, entry := range entries {
		for _, c := range entry.Pattern.clauses {
			slots := make([]slot, len(c))
			for i, f := range c {
				n := x.root.at(f.path)
				if n.field == noField {
					n.field = fields
					fields++
				}
				key := [2]string{f.path, f.text}
				if _, known := same[key]; !known {
					same[key] = slot{f, n.field}
				}
				slots[i] = same[key]
			}
			x.clauses = append(x.clauses, anchored{entry: e, fields: slots, sure: -1})
		}
	}
	x.lookups = make([]*lookup, fields)
	x.anchor()
	x.readings.New = func() any { return newReading(fields, len(x.clauses)) }
	return x
}

func (n *node) at(path string) *node {
	for key := range strings.SplitSeq(path, ".") {
		n = n.child(key)
	}
	return n
}

// anchor puts each clause into the lookup of its anchor.
func (x *Index) anchor() {
	shared := sharing{}
	for _, c := range x.clauses {
		for _, f := range c.fields {
			shared.count(f)
		}
	}
	for id, c := range x.clauses {
		best, least := -1, 0
		for i, f := range c.fields {
			if cost := shared.cost(f); !f.absent && (best < 0 || cost < least) {
				best, least = i, cost
			}
		}
		if best < 0 {
			x.always = append(x.always, clauseID(id))
			continue
		}
		f := c.fields[best]
		if x.lookups[f.number] == nil {
			x.lookups[f.number] = newLookup()
		}
		if f.exact() {
			x.clauses[id].sure = best
		}
		for _, p := range f.values {
			x.lookups[f.number].add(p, clauseID(id))
		}
	}
	for _, l := range x.lookups {
		if l != nil {
			l.ranges.arrange()
			l.dates.arrange()
		}
	}
}

// Match returns the entries that the event, valid JSON text, matches, in the order of the index.
func (x *Index) Match(event []byte) []RuleID {
	r, ok := x.readings.Get().(*reading)
	if !ok {
		return nil // the pool makes nothing else
	}
	defer x.readings.Put(r)
	if !r.read(event, x.root) {
		return nil
	}
	r.candidates = append(r.candidates[:0], x.always...)
	for _, f := range r.found {
		if l := x.lookups[f]; l != nil {
			for i := range r.values[f] {
				r.candidates = l.candidates(&r.values[f][i], r.candidates)
			}
		}
	}
	r.matched = r.matched[:0]
	for _, id := range r.candidates {
		if c := &x.clauses[id]; r.first(id) && r.satisfied(c.fields, c.sure) {
			r.matched = append(r.matched, c.entry)
		}
	}
	if len(r.matched) == 0 {
		return nil
	}
	slices.Sort(r.matched)
	r.matched = slices.Compact(r.matched)
	ids := make([]RuleID, len(r.matched))
	for i, e := range r.matched {
		ids[i] = x.entries[e].ID
	}
	return ids
}
