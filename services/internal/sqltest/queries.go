package sqltest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Queries returns the SQL texts that the package in the current directory runs, from its source: whatever a call is given that begins like a
// statement and is put together of literals, constants, functions that only return such, placeholders(first, n) and locking clauses. The
// package's test adds what is put together otherwise.
func Queries(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	s := source{constants: map[string]ast.Expr{}, functions: map[string]*ast.FuncDecl{}}
	var parsed []*ast.File
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		file, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
		require.NoError(t, err)
		s.declare(file)
		parsed = append(parsed, file)
	}
	seen := map[string]bool{}
	var queries []string
	for _, file := range parsed {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if _, ok := s.call(call); ok {
				return false // its arguments are parts of a text
			}
			for _, arg := range call.Args {
				if text, ok := s.text(arg); ok && isStatement.MatchString(text) && !seen[text] {
					seen[text] = true
					queries = append(queries, text)
				}
			}
			return true
		})
	}
	require.NotEmpty(t, queries)
	return queries
}

var isStatement = regexp.MustCompile(`^\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH)\s`)

// source is a package as far as its texts go.
type source struct {
	constants map[string]ast.Expr
	functions map[string]*ast.FuncDecl // those that only return an expression
}

func (s source) declare(file *ast.File) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			for i, name := range n.Names {
				if i < len(n.Values) {
					s.constants[name.Name] = n.Values[i]
				}
			}
		case *ast.FuncDecl:
			if n.Body != nil && len(n.Body.List) == 1 {
				s.functions[n.Name.Name] = n
			}
		}
		return true
	})
}

// text evaluates an expression that is a text.
func (s source) text(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.ParenExpr:
		return s.text(e.X)
	case *ast.Ident:
		value, ok := s.constants[e.Name]
		if !ok {
			return "", false
		}
		return s.text(value)
	case *ast.BinaryExpr:
		left, ok := s.text(e.X)
		right, ok2 := s.text(e.Y)
		return left + right, ok && ok2 && e.Op == token.ADD
	case *ast.CallExpr:
		return s.call(e)
	}
	return "", false
}

// call evaluates a call that makes a text of texts.
func (s source) call(e *ast.CallExpr) (string, bool) {
	name := ""
	switch f := e.Fun.(type) {
	case *ast.SelectorExpr:
		name = f.Sel.Name
	case *ast.Ident:
		name = f.Name
	}
	switch {
	case strings.HasPrefix(name, "ForUpdate"): // SQLite has no such clauses, and on PostgreSQL they do not matter to a plan
		return "", true
	case name == "placeholders" && len(e.Args) == 2:
		return s.placeholders(e.Args[0], e.Args[1])
	case s.functions[name] == nil:
		return "", false
	}
	f := s.functions[name]
	inside := source{constants: maps.Clone(s.constants), functions: s.functions}
	n := 0
	for _, field := range f.Type.Params.List {
		for _, parameter := range field.Names {
			if n == len(e.Args) {
				return "", false
			}
			text, ok := s.text(e.Args[n])
			if !ok {
				return "", false
			}
			inside.constants[parameter.Name] = &ast.BasicLit{Kind: token.STRING, Value: strconv.Quote(text)}
			n++
		}
	}
	result, ok := f.Body.List[0].(*ast.ReturnStmt)
	if !ok || n == 0 || len(result.Results) != 1 {
		return "", false
	}
	return inside.text(result.Results[0])
}

func (s source) placeholders(first, n ast.Expr) (string, bool) {
	from, ok := s.number(first)
	count, ok2 := s.number(n)
	list := make([]string, max(count, 0))
	for i := range list {
		list[i] = "$" + strconv.Itoa(from+i)
	}
	return strings.Join(list, ", "), ok && ok2
}

func (s source) number(e ast.Expr) (int, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		n, err := strconv.Atoi(e.Value)
		return n, err == nil
	case *ast.Ident:
		if value, ok := s.constants[e.Name]; ok {
			return s.number(value)
		}
	}
	return 0, false
}
