package pattern

import (
	"bytes"

	"github.com/freshet-io/freshet/services/delivery/rawjson"
)

// node is a key on the way to fields of patterns. Keys with dots lead over several nodes, so that {"a.b":…} and {"a":{"b":…}} end
// at the same one.
type node struct {
	next  map[string]*node
	field int // number of the field that patterns have here; noField if they have none
}

const noField = -1

func newNode() *node { return &node{field: noField} }

func (n *node) child(key string) *node {
	if n.next == nil {
		n.next = map[string]*node{}
	}
	c := n.next[key]
	if c == nil {
		c = newNode()
		n.next[key] = c
	}
	return c
}

// find follows a member's name, part by part.
func (n *node) find(key []byte) *node {
	if len(key) < 2 {
		return nil
	}
	plain := content(key)
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

// reading is what one pass over an event finds at the fields of patterns. It is used again for other events.
type reading struct {
	values   [][]value // by field
	found    []int     // the fields that have values
	elements []element
	arrays   arrayID

	candidates []clauseID
	matched    []int    // entries
	judged     []uint32 // by clause, the last turn in which it was judged
	turn       uint32
}

// element is an element of an array.
type element struct {
	array  arrayID
	around elementID // the element that the array is in
}

type (
	// elementID is an index in reading.elements. 0 is the event itself.
	elementID int32
	// arrayID numbers the arrays of an event from 1.
	arrayID int32
)

func newReading(fields, clauses int) *reading {
	return &reading{values: make([][]value, fields), judged: make([]uint32, clauses)}
}

// first tells whether the clause has not been asked for yet.
func (x *reading) first(id clauseID) bool {
	if x.judged[id] == x.turn {
		return false
	}
	x.judged[id] = x.turn
	return true
}

// read reads an event; false if it is no object.
func (x *reading) read(event []byte, root *node) bool {
	for _, f := range x.found {
		x.values[f] = x.values[f][:0]
	}
	x.found, x.elements, x.arrays = x.found[:0], append(x.elements[:0], element{}), 0
	if x.turn++; x.turn == 0 { // after 2³² events
		clear(x.judged)
		x.turn = 1
	}
	r := rawjson.NewReader(event)
	if r.Kind() != rawjson.Object {
		return false
	}
	x.value(&r, root, 0)
	return true
}

// value reads the next value, which is at node n and inside an element.
func (x *reading) value(r *rawjson.Reader, n *node, in elementID) {
	switch kind := r.Kind(); kind {
	case rawjson.Object:
		x.object(r, n, in)
	case rawjson.Array:
		x.array(r, n, in)
	default:
		token := r.Value()
		if n.field == noField || kind == rawjson.Invalid {
			return
		}
		if len(x.values[n.field]) == 0 {
			x.found = append(x.found, n.field)
		}
		x.values[n.field] = append(x.values[n.field], newValue(kind, token, in))
	}
}

func (x *reading) object(r *rawjson.Reader, n *node, in elementID) {
	if len(n.next) == 0 {
		r.Value()
		return
	}
	for r.Enter(); r.More(); {
		if c := n.find(r.Key()); c != nil {
			x.value(r, c, in)
		} else {
			r.Value()
		}
	}
}

// array reads an array. It is transparent: its elements are at the same node.
func (x *reading) array(r *rawjson.Reader, n *node, in elementID) {
	x.arrays++
	array := x.arrays
	for r.Enter(); r.More(); {
		id := elementID(len(x.elements))
		x.elements = append(x.elements, element{array: array, around: in})
		x.value(r, n, id)
	}
}
