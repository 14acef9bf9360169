package mapping_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/lint"
	"github.com/freshet-io/freshet/services/internal/mapping"
)

// file is an interface of one operation, get, which takes an id, and one mapping, acme. route is how it is done.
func file(route string) string {
	return `{
  "operations": {"get": {"input": {"type": "object", "required": ["id"], "properties": {"id": {"type": ["string", "integer"]}, "tags": {}}}}},
  "mappings": {"acme": {"operations": {"get": ` + route + `}}}
}`
}

// paged is an interface of one operation, list, whose route is the given one.
func paged(route string) string {
	return `{"operations": {"list": {"paged": true, "input": {"type": "object"}}}, "mappings": {"acme": {"operations": {"list": ` + route + `}}}}`
}

func TestProblemsHavePlaces(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"nothing":             {" \n", "f.json: is empty"},
		"no JSON":             {"{\n  \"a\": }", `f.json:2:8: is no JSON: invalid character '}' looking for beginning of value`},
		"cut":                 {`{"a": [1, `, `f.json:1:11: is no JSON: it ends too early`},
		"two objects":         {"{}\n{}", "f.json:2:2: is no JSON: there must be one object and nothing after it"},
		"no UTF-8":            {"{\"\xff\": 1}", "f.json: is no UTF-8"},
		"twice":               {`{"operations": {}, "operations": {}}`, "f.json:1:20: operations: is given twice"},
		"deep":                {strings.Repeat("[", 100), "values are nested deeper than 64"},
		"no object":           {`[]`, "f.json:1:1: got array, want object"},
		"missing":             {`{"operations": {"a": {}}}`, "f.json:1:1: mappings: is required"},
		"no such field":       {file(`{"path": "/x", "pth": 1}`), "f.json:3:69: mappings.acme.operations.get.pth: there is no such field"},
		"method":              {file(`{"path": "/x", "method": "FETCH"}`), "mappings.acme.operations.get.method: value must be one of 'GET', 'POST', 'PUT', 'PATCH', 'DELETE'"},
		"no slash":            {file(`{"path": "x"}`), "f.json:3:56: mappings.acme.operations.get.path: must begin with a slash"},
		"query in path":       {file(`{"path": "/x?y=1"}`), "or a query, which belongs into query"},
		"no jq":               {file(`{"path": "/x", "body": ".a |", "method": "POST"}`), "body: is no jq: it ends too early"},
		"jq token":            {file(`{"path": "/x", "output": ".a )"}`), `output: is no jq: at character 4: unexpected ")"`},
		"unknown function":    {file(`{"path": "/x", "output": "nonsense(1)"}`), "output: is no jq: function not defined: nonsense/1"},
		"unknown variable":    {file(`{"path": "/x/{{$input}}"}`), "variable not defined: $input"},
		"environment":         {file(`{"path": "/x", "output": "[.a, $ENV.HOME]"}`), "output: uses $ENV: an expression sees nothing but what it is given"},
		"clock":               {file(`{"path": "/x", "query": {"t": "{{now}}"}}`), "query.t: uses now"},
		"input":               {file(`{"path": "/x", "output": "def f: input; if .a then f else [inputs] end"}`), "output: uses input"},
		"module":              {file(`{"path": "/x", "output": "import \"a\" as a; a::b"}`), "output: uses a module"},
		"open braces":         {file(`{"path": "/x/{{.id"}`), "path: has {{ without }}"},
		"own header":          {file(`{"path": "/x", "headers": {"AUTHORIZATION": "x"}}`), "headers.AUTHORIZATION: cannot be set here"},
		"body of a GET":       {file(`{"path": "/x", "body": "."}`), "method: must be one with a body"},
		"two bodies":          {file(`{"path": "/x", "method": "POST", "body": ".", "form": {"a": "b"}}`), "form: cannot be there with body"},
		"rule for everything": {file(`{"path": "/x", "errors": [{"kind": "NOT_FOUND"}]}`), "mappings.acme.operations.get.errors[0]: must have status, when, or both"},
		"redirected POST":     {file(`{"path": "/x", "method": "POST", "follow_redirects": true}`), "follow_redirects: goes with GET only"},
		"pages of one":        {file(`{"path": "/x", "pagination": {"kind": "LINK"}}`), "pagination: is only for operations with paged: true"},
		"cursor":              {paged(`{"path": "/x", "pagination": {"kind": "CURSOR"}}`), "pagination.next: is required for CURSOR"},
		"unused cursor":       {paged(`{"path": "/x", "pagination": {"kind": "CURSOR", "next": ".n"}}`), "pagination.parameter: is required, unless"},
		"offset":              {paged(`{"path": "/x", "pagination": {"kind": "OFFSET", "next": ".n", "size_parameter": "limit"}}`), "pagination.next: is not for OFFSET"},
		"size":                {paged(`{"path": "/x", "pagination": {"kind": "PAGE", "parameter": "p", "size_parameter": "limit"}}`), "pagination.size_parameter: needs size"},
		"schema elsewhere": {
			`{"operations": {"a": {"output": {"$ref": "file:///etc/passwd"}}}, "mappings": {"m": {"operations": {"a": {"path": "/"}}}}}`,
			"operations.a.output: refers to file:///etc/passwd: a schema can refer to parts of itself only",
		},
		"no schema": {`{"operations": {"a": {"output": {"type": "text"}}}, "mappings": {"m": {"operations": {"a": {"path": "/"}}}}}`, "f.json:1:42: operations.a.output.type: "},
		"no object as input": {
			`{"operations": {"a": {"input": {"type": "string"}}}, "mappings": {"m": {"operations": {"a": {"path": "/"}}}}}`,
			`operations.a.input: must have "type": "object"`,
		},
		"unknown operation": {`{"operations": {"a": {}}, "mappings": {"m": {"operations": {"b": {"path": "/"}}}}}`, "mappings.m.operations.b: the interface has no such operation; it has a"},
		"raw":               {`{"operations": {"a": {"raw": true}}, "mappings": {"m": {"operations": {"a": {"path": "/", "output": "."}}}}}`, "a raw operation must be a GET"},
	} {
		_, err := mapping.Parse("f.json", []byte(c.text))
		var problems lint.Problems
		require.ErrorAs(t, err, &problems, name)
		require.Contains(t, problems.Error(), c.want, name)
	}
	_, err := mapping.Parse("", []byte(file(`{"path": "x", "output": ")"}`)))
	var problems lint.Problems
	require.ErrorAs(t, err, &problems)
	require.Len(t, problems, 2, "all of them")
	_, err = mapping.Parse("", make([]byte, mapping.MaxFile+1))
	require.ErrorContains(t, err, "larger than 256 KiB")
}

func TestUnknown(t *testing.T) {
	parsed, err := mapping.Parse("", []byte(file(`{"path": "/x"}`)))
	require.NoError(t, err)
	require.Equal(t, []string{"acme"}, parsed.Mappings())
	require.Equal(t, []string{"get"}, parsed.Mapped("acme"))
	require.Equal(t, "get", parsed.Operations()[0].Name)
	for _, c := range [][3]string{{"acme", "put", "no operation put"}, {"other", "get", "no mapping other"}} {
		_, err := parsed.Route(c[0], c[1])
		unknown := &mapping.UnknownError{}
		require.ErrorAs(t, err, &unknown)
		require.ErrorContains(t, err, c[2])
	}
}

// FuzzParse: no file makes the parser fail, and what it takes can be asked for a request.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"photos.json", "contacts.json"} {
		text, err := os.ReadFile(filepath.Join(docs, "interfaces", name))
		require.NoError(f, err)
		f.Add(text)
	}
	f.Add([]byte(file(`{"path": "/x/{{.id}}", "query": {"a": "{{.tags}}"}, "errors": [{"status": 404, "message": ".m"}]}`)))
	f.Add([]byte(paged(`{"path": "/x", "pagination": {"kind": "LINK"}}`)))
	f.Fuzz(func(t *testing.T, text []byte) {
		parsed, err := mapping.Parse("f", text)
		if err != nil {
			var problems lint.Problems
			require.ErrorAs(t, err, &problems)
			require.NotEmpty(t, problems)
			return
		}
		for _, name := range parsed.Mappings() {
			for _, operation := range parsed.Mapped(name) {
				_, err := parsed.Route(name, operation)
				require.NoError(t, err)
			}
		}
	})
}
