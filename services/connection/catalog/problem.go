package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with an entry.
type Problem struct {
	File        string // as it was given; empty where there is none
	Line        int    // 0: not known
	Field       string // path within the entry, "token.response.expires_in_unit"; empty: the whole
	Description string // what is wrong and what is allowed
}

// String is one line for people: file:line: field: description.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	b.WriteString(p.Description)
	return b.String()
}

// LintErrors are all that is wrong with entries: an error unless there are none, see [LintErrors.Err].
type LintErrors []Problem

// Error implements error, a problem a line.
func (p LintErrors) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// Err is nil if there are none.
func (p LintErrors) Err() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// sorted orders by place and drops what is said twice.
func (p LintErrors) sorted() LintErrors {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Field, b.Field))
	})
	return slices.Compact(p)
}
