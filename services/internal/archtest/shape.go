package archtest

import (
	"go/ast"
	"path"
	"slices"
	"strings"
)

// emptyNames are package names that say nothing about what is inside, and so attract everything.
var emptyNames = []string{"base", "common", "helper", "helpers", "lib", "misc", "model", "models", "shared", "types", "util", "utils"}

// checkShape looks at what each package and file is like, whatever it does.
func checkShape(p *pkg, limits Limits) []Violation {
	hand := slices.DeleteFunc(slices.Clone(p.files), func(f *file) bool { return f.generated })
	if len(hand) == 0 {
		return nil
	}
	found := checkPackageDoc(p, hand)
	if slices.Contains(emptyNames, path.Base(p.path)) {
		found = append(found, hand[0].violation("telling-names", "a name that fits everything attracts everything", hand[0].syntax.Name.Pos(), "package %s", p.path))
	}
	for _, f := range hand {
		found = append(found, checkLengths(p, f, limits)...)
		found = append(found, checkInit(f)...)
		found = append(found, checkSkips(f)...)
	}
	return found
}

// checkPackageDoc wants one package comment, in doc.go unless the package is one file.
func checkPackageDoc(p *pkg, files []*file) []Violation {
	const rule, reason = "package-doc", "the package comment is the map at the place where the reader already is"
	files = slices.DeleteFunc(slices.Clone(files), func(f *file) bool { return f.test })
	documented := slices.DeleteFunc(slices.Clone(files), func(f *file) bool { return f.syntax.Doc.Text() == "" })
	switch {
	case len(files) == 0:
		return nil
	case len(documented) == 0:
		return []Violation{files[0].violation(rule, reason, files[0].syntax.Name.Pos(), "package %s has no package comment", p.path)}
	case len(documented) > 1:
		return []Violation{documented[1].violation(rule, reason, documented[1].syntax.Name.Pos(), "package %s has a package comment in %s too", p.path, path.Base(documented[0].path))}
	case len(files) > 1 && path.Base(documented[0].path) != "doc.go" && p.name != "main":
		return []Violation{documented[0].violation(rule, reason, documented[0].syntax.Name.Pos(), "the package comment of %s belongs in doc.go", p.path)}
	default:
		return nil
	}
}

func checkLengths(p *pkg, f *file, limits Limits) []Violation {
	const rule, reason = "length", "what does not fit in a reader's head hides mistakes"
	var found []Violation
	if f.lines > limits.File {
		found = append(found, f.violation(rule, reason, f.syntax.Name.Pos(), "%d lines; at most %d", f.lines, limits.File))
	}
	if p.name == "main" && path.Base(f.path) == "main.go" && f.lines > limits.Main {
		found = append(found, f.violation(rule, reason, f.syntax.Name.Pos(), "%d lines; a main.go has at most %d", f.lines, limits.Main))
	}
	for _, d := range f.syntax.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && !f.test { // a table of test cases is as long as there are cases
			if lines := f.line(fn.End()) - f.line(fn.Pos()) + 1; lines > limits.Function {
				found = append(found, f.violation(rule, reason, fn.Pos(), "%s has %d lines; at most %d", fn.Name.Name, lines, limits.Function))
			}
		}
	}
	return found
}

func checkInit(f *file) []Violation {
	var found []Violation
	for _, d := range f.syntax.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			found = append(found, f.violation("no-init", "what runs before main can be neither ordered nor configured nor tested", fn.Pos(), "func init"))
		}
	}
	return found
}

// checkSkips finds tests, and test tools, that skip.
func checkSkips(f *file) []Violation {
	var found []Violation
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok || !slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, selector.Sel.Name) {
			return true
		}
		if x, ok := selector.X.(*ast.Ident); ok && slices.Contains([]string{"t", "tb", "b", "f"}, strings.ToLower(x.Name)) {
			found = append(found, f.violation("no-skip", "a test that skips looks like one that passes; a missing database must fail", n.Pos(), "%s.%s", x.Name, selector.Sel.Name))
		}
		return true
	})
	return found
}
