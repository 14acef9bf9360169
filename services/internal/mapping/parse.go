package mapping

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/freshet-io/freshet/services/internal/lint"
)

// MaxFile bounds a file, in bytes.
const MaxFile = 256 << 10

// document is a file as it is written.
type document struct {
	Description string                   `json:"description"`
	Operations  map[string]operationText `json:"operations"`
	Mappings    map[string]mappingText   `json:"mappings"`
}

type operationText struct {
	Description string `json:"description"`
	Input       any    `json:"input"`
	Output      any    `json:"output"`
	Paged       bool   `json:"paged"`
	Raw         bool   `json:"raw"`
}

type mappingText struct {
	Operations map[string]routeText `json:"operations"`
	Errors     []ruleText           `json:"errors"`
}

type routeText struct {
	Method     string            `json:"method"`
	Host       string            `json:"host"`
	Follow     bool              `json:"follow_redirects"`
	Path       string            `json:"path"`
	Query      map[string]string `json:"query"`
	Headers    map[string]string `json:"headers"`
	Body       string            `json:"body"`
	Form       map[string]string `json:"form"`
	Pagination *paginationText   `json:"pagination"`
	Output     string            `json:"output"`
	Errors     []ruleText        `json:"errors"`
}

type paginationText struct {
	Kind          string `json:"kind"`
	Next          string `json:"next"`
	Parameter     string `json:"parameter"`
	Path          string `json:"path"`
	Body          string `json:"body"`
	Size          int    `json:"size"`
	SizeParameter string `json:"size_parameter"`
	First         *int   `json:"first"`
	More          string `json:"more"`
}

type ruleText struct {
	Status  int    `json:"status"`
	When    string `json:"when"`
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

// form compiles the schema of files.
func form() (*schema, error) {
	value, err := decode(fileSchema)
	if err != nil {
		return nil, err
	}
	compiled, wrong := newSchema(value)
	if len(wrong) > 0 {
		return nil, fmt.Errorf("mapping: the schema of files: %s", wrong[0].description)
	}
	return compiled, nil
}

// Parse reads and judges one file. name stands for it in problems, and nowhere else. The error is [lint.Problems]: everything that is wrong,
// each with its place.
func Parse(name string, text []byte) (*Interface, error) {
	parsed, problems := parse(text)
	for i := range problems {
		problems[i].File = name
	}
	if len(problems) > 0 {
		return nil, problems.Sorted()
	}
	return parsed, nil
}

func parse(text []byte) (*Interface, lint.Problems) {
	switch {
	case len(text) > MaxFile:
		return nil, lint.Problems{{Description: fmt.Sprintf("is larger than %d KiB", MaxFile>>10)}}
	case len(strings.TrimSpace(string(text))) == 0:
		return nil, lint.Problems{{Description: "is empty"}}
	case !utf8.Valid(text):
		return nil, lint.Problems{{Description: "is no UTF-8"}}
	}
	at, problems := locate(text)
	if len(problems) > 0 {
		return nil, problems
	}
	value, err := decode(text)
	if err != nil {
		return nil, lint.Problems{{Description: err.Error()}}
	}
	judge, err := form()
	if err != nil {
		return nil, lint.Problems{{Description: err.Error()}}
	}
	for _, wrong := range judge.check(value) {
		problems = append(problems, at.problem(wrong.path, "%s", wrong.description))
	}
	if len(problems) > 0 {
		return nil, problems
	}
	var written document
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber() // schemas keep the spelling of numbers
	if err := decoder.Decode(&written); err != nil {
		return nil, lint.Problems{{Description: err.Error()}}
	}
	c := &compiler{at: at}
	return c.build(written), c.problems
}

// compiler makes an interface of a document, and notes what is wrong.
type compiler struct {
	at       positions
	problems lint.Problems
}

func (c *compiler) fail(path []string, format string, args ...any) {
	c.problems = append(c.problems, c.at.problem(path, format, args...))
}

// in is a path further in.
func in(path []string, names ...string) []string { return append(slices.Clip(path), names...) }

func (c *compiler) build(written document) *Interface {
	out := &Interface{Description: written.Description, operations: map[string]*Operation{}, mappings: map[string]map[string]*Route{}}
	for name, text := range written.Operations {
		path := []string{"operations", name}
		operation := &Operation{Name: name, Description: text.Description, Paged: text.Paged, Raw: text.Raw}
		if text.Paged && text.Raw {
			c.fail(in(path, "raw"), "cannot be of a paged operation")
		}
		if text.Input == nil { // takes none
			text.Input = map[string]any{"type": "object", "additionalProperties": false}
		} else if object, ok := text.Input.(map[string]any); !ok || object["type"] != "object" {
			c.fail(in(path, "input"), `must have "type": "object"`)
		}
		operation.input = c.schema(in(path, "input"), text.Input)
		if text.Output != nil {
			operation.output = c.schema(in(path, "output"), text.Output)
		}
		out.operations[name] = operation
	}
	for name, text := range written.Mappings {
		path := []string{"mappings", name}
		shared := c.rules(in(path, "errors"), text.Errors)
		out.mappings[name] = map[string]*Route{}
		for operation, route := range text.Operations {
			at := in(path, "operations", operation)
			of := out.operations[operation]
			if of == nil {
				c.fail(at, "the interface has no such operation; it has %s", strings.Join(slices.Sorted(maps.Keys(out.operations)), ", "))
				continue
			}
			out.mappings[name][operation] = c.route(at, of, route, shared)
		}
	}
	return out
}

func (c *compiler) schema(path []string, document any) *schema {
	compiled, wrong := newSchema(document)
	for _, w := range wrong {
		c.fail(in(path, w.path...), "%s", w.description)
	}
	return compiled
}

func (c *compiler) rules(path []string, written []ruleText) []rule {
	out := make([]rule, len(written))
	for i, text := range written {
		at := in(path, fmt.Sprint(i))
		if text.Status == 0 && text.When == "" {
			c.fail(at, "must have status, when, or both: it would fit every answer")
		}
		out[i] = rule{
			status: text.Status, kind: Kind(text.Kind),
			when:    c.expression(in(at, "when"), text.When, answerVariables()),
			message: c.expression(in(at, "message"), text.Message, answerVariables()),
		}
	}
	return out
}

// expression compiles one that may be left out.
func (c *compiler) expression(path []string, source string, variables []string) *expression {
	if source == "" {
		return nil
	}
	e, err := newExpression(source, variables)
	if err != nil {
		c.fail(path, "%s", err)
	}
	return e
}

func (c *compiler) template(path []string, source string) *template {
	t, err := newTemplate(source, requestVariables())
	if err != nil {
		c.fail(path, "%s", err)
		return &template{}
	}
	return t
}

func (c *compiler) templates(path []string, written map[string]string) map[string]*template {
	out := make(map[string]*template, len(written))
	for name, source := range written {
		out[name] = c.template(in(path, name), source)
	}
	return out
}
