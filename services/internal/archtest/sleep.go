package archtest

import (
	"go/ast"
	"go/token"
	"maps"
	"strings"
)

// checkSleeps finds waits by the clock. In a testing/synctest bubble the clock is the test's own, so there a sleep is exact and
// costs nothing; anywhere else it is a guess, and in the product it cannot be interrupted.
//
// A function that sleeps outside a bubble passes the question on to its callers: a test helper may sleep if every test
// calls it in a bubble.
func checkSleeps(p *pkg) []Violation {
	const rule = "no-sleep"
	s := sleepers{"time.Sleep": true}
	bubbles := bubblesOf(p)
	for grown := true; grown; {
		before := len(s)
		for _, f := range p.files {
			for _, fn := range functions(f) {
				if f.test && !isEntry(fn) && len(s.calls(f, fn, bubbles)) > 0 {
					s[fn.Name.Name] = true
				}
			}
		}
		grown = len(s) > before
	}
	var found []Violation
	for _, f := range p.files {
		if f.generated {
			continue
		}
		for _, fn := range functions(f) {
			if f.test && !isEntry(fn) {
				continue
			}
			reason := "a test waits for the event, or sleeps in a testing/synctest bubble"
			if !f.test {
				reason = "a wait ends with its context"
			}
			for name, pos := range s.calls(f, fn, bubbles) {
				found = append(found, f.violation(rule, reason, pos, "%s", name))
			}
		}
	}
	return found
}

// sleepers are the functions and methods that sleep: time.Sleep, and those of the package's tests by their plain names.
type sleepers map[string]bool

// calls returns the calls of sleepers in a function that are outside bubbles, one of each name.
func (s sleepers) calls(f *file, fn *ast.FuncDecl, bubbles map[string]bool) map[string]token.Pos {
	found := make(map[string]token.Pos)
	if fn.Body == nil {
		return found
	}
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		name := f.callee(call)
		if bubbles[name] {
			return false
		}
		if _, seen := found[name]; s[name] && !seen {
			found[name] = call.Pos()
		}
		return true
	})
	return found
}

// bubblesOf returns what runs its function arguments in a bubble: synctest.Test, and helpers of the package around it.
func bubblesOf(p *pkg) map[string]bool {
	const test = "testing/synctest.Test"
	bubbles := map[string]bool{test: true}
	for grown := true; grown; {
		next := maps.Clone(bubbles)
		for _, f := range p.files {
			for _, fn := range functions(f) {
				if takesFunc(fn) && callsAny(f, fn, bubbles) {
					next[fn.Name.Name] = true
				}
			}
		}
		grown = len(next) > len(bubbles)
		bubbles = next
	}
	return bubbles
}

func callsAny(f *file, fn *ast.FuncDecl, names map[string]bool) bool {
	var found bool
	ast.Inspect(fn, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && names[f.callee(call)] {
			found = true
		}
		return !found
	})
	return found
}

func takesFunc(fn *ast.FuncDecl) bool {
	for _, param := range fn.Type.Params.List {
		if _, ok := param.Type.(*ast.FuncType); ok {
			return true
		}
	}
	return false
}

// callee names what is called: "import/path.Name", or the plain name of a function or method of ours.
func (f *file) callee(call *ast.CallExpr) string {
	if name := f.qualified(call.Fun); name != "" {
		return name
	}
	switch fun := call.Fun.(type) {
	case *ast.Ident:
		return fun.Name
	case *ast.SelectorExpr:
		return fun.Sel.Name
	default:
		return ""
	}
}

func functions(f *file) []*ast.FuncDecl {
	var list []*ast.FuncDecl
	for _, d := range f.syntax.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			list = append(list, fn)
		}
	}
	return list
}

// isEntry reports whether the test framework calls the function.
func isEntry(fn *ast.FuncDecl) bool {
	for _, prefix := range []string{"Test", "Benchmark", "Fuzz", "Example"} {
		if fn.Recv == nil && strings.HasPrefix(fn.Name.Name, prefix) {
			return true
		}
	}
	return false
}
