package pattern

import (
	"cmp"
	"slices"
)

// trie finds the clauses of all strings that a text begins with, or ends with, in one walk along the text. The zero value is empty.
type trie struct {
	clauses []clauseID
	edges   []edge // by byte
}

type edge struct {
	by byte
	to *trie
}

func (t *trie) empty() bool { return len(t.edges) == 0 && len(t.clauses) == 0 }

func (t *trie) find(by byte) (i int, ok bool) {
	return slices.BinarySearchFunc(t.edges, by, func(e edge, by byte) int { return cmp.Compare(e.by, by) })
}

// add adds a string; backwards if texts are to end with it.
func (t *trie) add(s string, backwards bool, id clauseID) {
	for i := range len(s) {
		by := s[i]
		if backwards {
			by = s[len(s)-1-i]
		}
		at, ok := t.find(by)
		if !ok {
			t.edges = slices.Insert(t.edges, at, edge{by, &trie{}})
		}
		t = t.edges[at].to
	}
	t.clauses = append(t.clauses, id)
}

// along appends what a text leads to.
func (t *trie) along(text []byte, backwards bool, to []clauseID) []clauseID {
	for i := 0; ; i++ {
		to = append(to, t.clauses...)
		if i == len(text) || len(t.edges) == 0 {
			return to
		}
		by := text[i]
		if backwards {
			by = text[len(text)-1-i]
		}
		at, ok := t.find(by)
		if !ok {
			return to
		}
		t = t.edges[at].to
	}
}
