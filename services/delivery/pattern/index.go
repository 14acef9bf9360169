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
type Index struct {
	root     *node
	entries  []Entry
	clauses  [][][]slot // by entry
	readings sync.Pool  // of *reading
}

// NewIndex prepares the entries for matching.
func NewIndex(entries []Entry) *Index {
	x := &Index{root: newNode(), entries: entries, clauses: make([][][]slot, len(entries))}
	fields := 0
	for e, entry := range entries {
		for _, c := range entry.Pattern.clauses {
			slots := make([]slot, len(c))
			for i, f := range c {
				n := x.root
				for key := range strings.SplitSeq(f.path, ".") {
					n = n.child(key)
				}
				if n.field == noField {
					n.field = fields
					fields++
				}
				slots[i] = slot{f, n.field}
			}
			x.clauses[e] = append(x.clauses[e], slots)
		}
	}
	x.readings.New = func() any { return newReading(fields) }
	return x
}

// Match returns the entries that the event, valid JSON text, matches, in the order of the index.
func (x *Index) Match(event []byte) []RuleID {
	reading := x.readings.Get().(*reading)
	defer x.readings.Put(reading)
	if !reading.read(event, x.root) {
		return nil
	}
	var ids []RuleID
	for e, clauses := range x.clauses {
		if slices.ContainsFunc(clauses, reading.satisfied) {
			ids = append(ids, x.entries[e].ID)
		}
	}
	return ids
}
