package pattern

// satisfied tells whether the event that was read satisfies a clause. One field may be known to be satisfied somewhere in the event.
func (x *reading) satisfied(fields []slot, sure int) bool {
	for i, f := range fields { // most clauses that fail do so here
		if i != sure && !f.absent && !x.any(f) {
			return false
		}
	}
	if len(x.elements) == 1 {
		return x.flat(fields)
	}
	root := x.grow(fields)
	j := judge{fields: len(fields), budget: maxTries}
	q := question{newSet(j.fields), newSet(j.fields), newSet(j.fields)}
	for i, f := range fields {
		switch {
		case !f.absent:
			q.needed.add(i)
		case len(f.values) > 0:
			q.optional.add(i)
		default:
			q.absent.add(i)
		}
	}
	return j.holds(root, q)
}

// any tells whether a value satisfies the field, wherever it is.
func (x *reading) any(f slot) bool {
	values := x.values[f.number]
	for i := range values {
		if f.holds(&values[i]) {
			return true
		}
	}
	return false
}

// flat judges an event without arrays in which every field that must be there is.
func (x *reading) flat(fields []slot) bool {
	for _, f := range fields {
		if f.absent && len(x.values[f.number]) > 0 && !x.any(f) {
			return false
		}
	}
	return true
}

// exact tells whether a lookup leads only from values that satisfy the field to it.
func (f *field) exact() bool {
	for _, p := range f.values {
		switch p.(type) {
		case text, address, number, literal, prefix, suffix, network:
		default:
			return false
		}
	}
	return true
}

func (f *field) holds(v *value) bool {
	for _, p := range f.values {
		if p.holds(v) {
			return true
		}
	}
	return false
}

// branch is an element of an array, or the event itself, with what a clause finds in it.
type branch struct {
	here   finds // outside its arrays
	below  finds // everywhere in it
	arrays []array
}

// array is an array of a branch, with those of its elements in which there is something.
type array struct {
	id       arrayID
	below    finds
	branches []*branch
}

// finds are fields of a clause.
type finds struct {
	hits   set // that have a value which satisfies them
	values set // that have a value
}

func newFinds(fields int) finds { return finds{newSet(fields), newSet(fields)} }

func (f finds) add(i int, hit bool) {
	f.values.add(i)
	if hit {
		f.hits.add(i)
	}
}

// grow arranges what there is for a clause in the shape of the event.
func (x *reading) grow(fields []slot) *branch {
	root := newBranch(len(fields))
	grown := map[elementID]*branch{0: root}
	var at func(elementID) *branch
	at = func(id elementID) *branch {
		if b := grown[id]; b != nil {
			return b
		}
		b := newBranch(len(fields))
		grown[id] = b
		e := x.elements[id]
		a := at(e.around).array(e.array, len(fields))
		a.branches = append(a.branches, b)
		return b
	}
	for i, f := range fields {
		values := x.values[f.number]
		for v := range values {
			hit := f.holds(&values[v])
			if !hit && !f.absent {
				continue
			}
			id := values[v].where
			at(id).here.add(i, hit)
			for ; id != 0; id = x.elements[id].around {
				at(id).below.add(i, hit)
				at(x.elements[id].around).array(x.elements[id].array, len(fields)).below.add(i, hit)
			}
			root.below.add(i, hit)
		}
	}
	return root
}

func newBranch(fields int) *branch { return &branch{here: newFinds(fields), below: newFinds(fields)} }

func (b *branch) array(id arrayID, fields int) *array {
	for i := range b.arrays {
		if b.arrays[i].id == id {
			return &b.arrays[i]
		}
	}
	b.arrays = append(b.arrays, array{id: id, below: newFinds(fields)})
	return &b.arrays[len(b.arrays)-1]
}
