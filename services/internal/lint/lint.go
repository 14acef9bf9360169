// Package lint says what is wrong with a file that people write, and where.
//
// Owns: the form of a problem and of a list of them, for people and for programs.
//
// Does not own: any rule. Neighbours: the packages that read files, such as connection/catalog and internal/mapping.
package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a file.
type Problem struct {
	File        string // as it was given; empty where there is none
	Line        int    // from 1; 0: not known
	Column      int    // in bytes, from 1; 0: not known
	Field       string // path within the file, "token.response.expires_in_unit"; empty: the whole
	Description string // what is wrong and what is allowed
}

// String is one line for people: file:line:column: field: description.
func (p Problem) String() string {
	var b strings.Builder
	switch {
	case p.File != "":
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		if p.Column > 0 {
			fmt.Fprintf(&b, ":%d", p.Column)
		}
		b.WriteString(": ")
	case p.Line > 0:
		fmt.Fprintf(&b, "line %d: ", p.Line)
	}
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	b.WriteString(p.Description)
	return b.String()
}

// Problems are all that is wrong with files: an error unless there are none, see [Problems.Err].
//
//nolint:errname // They are problems first.
type Problems []Problem

// Error implements error, a problem a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// Err is nil if there are none.
func (p Problems) Err() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// Sorted orders by place and drops what is said twice.
func (p Problems) Sorted() Problems {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Field, b.Field))
	})
	return slices.Compact(p)
}
