package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// workspace is every package of the workspace, parsed, and what everything they are built on imports.
type workspace struct {
	ours    []*pkg
	imports map[string][]string // package → the packages its non-test files import
}

// pkg is one package with the files of its tests.
type pkg struct {
	path  string // below ModuleRoot for ours: "services/token"
	name  string // of its package clause
	files []*file
}

// file is one Go file.
type file struct {
	path      string // slash-separated, from the workspace's folder
	test      bool   // ends in _test.go
	generated bool
	lines     int
	fset      *token.FileSet
	syntax    *ast.File
	imports   []imported
}

// imported is one import of a file.
type imported struct {
	path string // below ModuleRoot for ours
	name string // the package's name in the file
	line int
}

func (f *file) line(pos token.Pos) int { return f.fset.Position(pos).Line }

func (f *file) violation(rule, reason string, pos token.Pos, format string, args ...any) Violation {
	return Violation{Rule: rule, File: f.path, Line: f.line(pos), Detail: fmt.Sprintf(format, args...), Reason: reason}
}

// listed is what `go list -json` tells of a package.
type listed struct {
	ImportPath string
	Dir        string
	Name       string
	Module     *struct{ Main bool }
	Imports    []string

	GoFiles, CgoFiles, IgnoredGoFiles, TestGoFiles, XTestGoFiles []string
}

func load(root string) (*workspace, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	list, err := goList(root)
	if err != nil {
		return nil, err
	}
	w := &workspace{imports: make(map[string][]string, len(list))}
	for _, l := range list {
		w.imports[below(l.ImportPath)] = mapped(l.Imports, below)
		if l.Module == nil || !l.Module.Main {
			continue
		}
		p := &pkg{path: below(l.ImportPath), name: l.Name}
		for _, name := range slices.Concat(l.GoFiles, l.CgoFiles, l.IgnoredGoFiles, l.TestGoFiles, l.XTestGoFiles) {
			f, err := parse(root, filepath.Join(l.Dir, name))
			if err != nil {
				return nil, err
			}
			p.files = append(p.files, f)
		}
		w.ours = append(w.ours, p)
	}
	if len(w.ours) == 0 {
		return nil, fmt.Errorf("no packages in the workspace of %s", root)
	}
	return w, nil
}

// goList lists the workspace's packages and all they are built on. Packages that do not compile are listed as well.
func goList(root string) ([]listed, error) {
	const fields = "ImportPath,Dir,Name,Module,Imports,GoFiles,CgoFiles,IgnoredGoFiles,TestGoFiles,XTestGoFiles"
	cmd := exec.Command("go", "list", "-e", "-deps", "-json="+fields, "work")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOWORK="+filepath.Join(root, "go.work"), "GOFLAGS=-mod=readonly")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, &stderr)
	}
	var list []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listed
		if err := decoder.Decode(&l); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		list = append(list, l)
	}
}

func parse(root, name string) (*file, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	rel, err := filepath.Rel(root, name)
	if err != nil {
		return nil, err
	}
	f := &file{path: filepath.ToSlash(rel), test: strings.HasSuffix(name, "_test.go"), fset: token.NewFileSet()}
	f.syntax, err = parser.ParseFile(f.fset, f.path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	f.generated = ast.IsGenerated(f.syntax)
	f.lines = bytes.Count(text, []byte("\n"))
	for _, spec := range f.syntax.Imports {
		importPath, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		i := imported{path: below(importPath), name: localName(importPath), line: f.line(spec.Pos())}
		if spec.Name != nil {
			i.name = spec.Name.Name
		}
		f.imports = append(f.imports, i)
	}
	return f, nil
}

// localName is the name a package is known by where it is imported without one: its last element that is not a version.
func localName(importPath string) string {
	base := path.Base(importPath)
	if len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" {
		base = path.Base(path.Dir(importPath))
	}
	return base
}

// qualified returns "import/path.Name" when the expression is a name of an imported package, else "".
func (f *file) qualified(e ast.Expr) string {
	selector, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	x, ok := selector.X.(*ast.Ident)
	if !ok {
		return ""
	}
	for _, i := range f.imports {
		if i.name == x.Name {
			return i.path + "." + selector.Sel.Name
		}
	}
	return ""
}

func below(importPath string) string { return strings.TrimPrefix(importPath, ModuleRoot) }

func mapped(in []string, f func(string) string) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = f(s)
	}
	return out
}

// matches reports whether a slash-separated path fits a pattern, in which * stands for anything but a slash, ... for
// anything, and a final /... also for nothing.
func matches(pattern, s string) bool {
	if rest, ok := strings.CutSuffix(pattern, "/..."); ok && matches(rest, s) {
		return true
	}
	for i := range len(pattern) {
		if strings.HasPrefix(pattern[i:], "...") {
			return matchesFrom(pattern[i+len("..."):], s[min(i, len(s)):], "")
		}
		if pattern[i] == '*' {
			return matchesFrom(pattern[i+1:], s[min(i, len(s)):], "/")
		}
		if i >= len(s) || s[i] != pattern[i] {
			return false
		}
	}
	return len(s) == len(pattern)
}

// matchesFrom reports whether the pattern fits the path after some text without the stop character.
func matchesFrom(pattern, s, stop string) bool {
	for i := 0; ; i++ {
		if matches(pattern, s[i:]) {
			return true
		}
		if i == len(s) || s[i:i+1] == stop {
			return false
		}
	}
}

func matchesAny(patterns []string, s string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, s) })
}
