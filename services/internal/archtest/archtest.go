package archtest

import (
	"cmp"
	"fmt"
	"slices"
)

// ModuleRoot is the path that all modules of the workspace begin with. Patterns in the tables are below it.
const ModuleRoot = "github.com/freshet-io/freshet/"

// Limits are the lengths, in lines, from which on code is hard to take in.
type Limits struct {
	File     int // of a file
	Function int // of a function, from its first line to its last
	Main     int // of a program's main.go
}

// An Exception lets one file break one rule.
type Exception struct {
	Rule   string
	File   string // slash-separated, from the workspace's folder; a pattern as in matches
	Reason string
}

// A Violation is one place that breaks a rule.
type Violation struct {
	Rule   string
	File   string // slash-separated, from the workspace's folder
	Line   int
	Detail string
	Reason string // why the rule is there
}

func (v Violation) String() string {
	return fmt.Sprintf("%s:%d: %s: %s (%s)", v.File, v.Line, v.Rule, v.Detail, v.Reason)
}

// Check returns what breaks a rule in the workspace whose go.work is in the folder root, ordered by place. An exception that
// nothing needs is a violation too. The error says that the workspace cannot be read.
func Check(root string, limits Limits, exceptions []Exception) ([]Violation, error) {
	packages, err := load(root)
	if err != nil {
		return nil, err
	}
	found := checkDirections(packages, directions())
	for _, p := range packages.ours {
		found = append(found, checkBans(p, bans())...)
		found = append(found, checkShape(p, limits)...)
		found = append(found, checkSleeps(p)...)
	}
	found = except(found, exceptions)
	slices.SortFunc(found, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Detail, b.Detail))
	})
	return slices.Compact(found), nil
}

func except(found []Violation, exceptions []Exception) []Violation {
	used := make([]bool, len(exceptions))
	found = slices.DeleteFunc(found, func(v Violation) bool {
		i := slices.IndexFunc(exceptions, func(e Exception) bool { return e.Rule == v.Rule && matches(e.File, v.File) })
		if i >= 0 {
			used[i] = true
		}
		return i >= 0
	})
	for i, e := range exceptions {
		if !used[i] {
			found = append(found, Violation{
				Rule: "unused-exception", File: e.File, Detail: "nothing breaks " + e.Rule + " here",
				Reason: "an exception that outlives its cause lets the next breach pass",
			})
		}
	}
	return found
}
