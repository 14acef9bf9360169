package pattern

import (
	"bytes"
	"slices"
	"strings"

	"github.com/freshet-io/freshet/services/delivery/rawjson"
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
	root    *node
	entries []Entry
}

// node is a key on the way to fields of patterns. Keys with dots lead over several nodes, so that {"a.b":…} and {"a":{"b":…}} end
// at the same one.
type node struct {
	next   map[string]*node
	values map[valueKey][]use // who waits for which value here; nil where no pattern has a field
}

// use is a field of a pattern that a value satisfies.
type use struct {
	entry, field int
}

// NewIndex prepares the entries for matching.
func NewIndex(entries []Entry) *Index {
	x := &Index{root: &node{}, entries: entries}
	for e, entry := range entries {
		for f, field := range entry.Pattern.fields {
			n := x.root
			for key := range strings.SplitSeq(field.path, ".") {
				n = n.child(key)
			}
			if n.values == nil {
				n.values = map[valueKey][]use{}
			}
			values := slices.Clone(field.values)
			slices.Sort(values)
			for _, v := range slices.Compact(values) {
				n.values[v] = append(n.values[v], use{entry: e, field: f})
			}
		}
	}
	return x
}

func (n *node) child(key string) *node {
	if n.next == nil {
		n.next = map[string]*node{}
	}
	c := n.next[key]
	if c == nil {
		c = &node{}
		n.next[key] = c
	}
	return c
}

// Match returns the entries that the event, valid JSON text, matches, in the order of the index.
func (x *Index) Match(event []byte) []RuleID {
	m := matching{hits: map[int]*hits{}, index: x}
	r := rawjson.NewReader(event)
	if r.Kind() != rawjson.Object {
		return nil
	}
	m.value(&r, x.root)
	var matched []int
	for e, h := range m.hits {
		if h.consistent() {
			matched = append(matched, e)
		}
	}
	if len(matched) == 0 {
		return nil
	}
	slices.Sort(matched)
	ids := make([]RuleID, len(matched))
	for i, e := range matched {
		ids[i] = x.entries[e].ID
	}
	return ids
}

// matching is one pass over one event.
type matching struct {
	index  *Index
	hits   map[int]*hits
	trail  trail
	arrays int // seen so far; numbers them
}

// trail leads through the arrays around a value.
type trail []step

// step is an element of one particular array of the event.
type step struct {
	array, element int
}

// value reads the next value, which is at node n.
func (m *matching) value(r *rawjson.Reader, n *node) {
	switch kind := r.Kind(); kind {
	case rawjson.Object:
		m.object(r, n)
	case rawjson.Array:
		m.array(r, n)
	default:
		token := r.Value()
		if n.values != nil && kind != rawjson.Invalid {
			m.hit(n.values[scalarKey(kind, token)])
		}
	}
}

func (m *matching) object(r *rawjson.Reader, n *node) {
	if len(n.next) == 0 {
		r.Value()
		return
	}
	for r.Enter(); r.More(); {
		if c := n.find(r.Key()); c != nil {
			m.value(r, c)
		} else {
			r.Value()
		}
	}
}

// find follows a member's name, part by part.
func (n *node) find(key []byte) *node {
	if len(key) < 2 {
		return nil
	}
	plain := key[1 : len(key)-1]
	if bytes.IndexByte(plain, '\\') >= 0 {
		plain = []byte(rawjson.Text(key))
	}
	for {
		dot := bytes.IndexByte(plain, '.')
		if dot < 0 {
			return n.next[string(plain)]
		}
		if n = n.next[string(plain[:dot])]; n == nil {
			return nil
		}
		plain = plain[dot+1:]
	}
}

// array reads an array. It is transparent: its elements are at the same node; the trail remembers which one.
func (m *matching) array(r *rawjson.Reader, n *node) {
	id := m.arrays
	m.arrays++
	depth := len(m.trail)
	m.trail = append(m.trail, step{array: id})
	for r.Enter(); r.More(); m.trail[depth].element++ {
		m.value(r, n)
	}
	m.trail = m.trail[:depth]
}

func (m *matching) hit(uses []use) {
	if len(uses) == 0 {
		return
	}
	at := slices.Clone(m.trail)
	for _, u := range uses {
		h := m.hits[u.entry]
		if h == nil {
			h = newHits(len(m.index.entries[u.entry].Pattern.fields))
			m.hits[u.entry] = h
		}
		h.add(u.field, at)
	}
}
