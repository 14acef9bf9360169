package catalog

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// shape holds a document to the tags of [Entry]: what yaml itself would say in words of Go, or not at all.
type shape struct {
	file     string
	problems LintErrors
	lines    map[string]int // by field path
}

func checkShape(file string, node *yaml.Node) *shape {
	s := &shape{file: file, lines: map[string]int{}}
	s.check(node, reflect.TypeFor[Entry](), "", "")
	return s
}

// line is where a field stands, or what it would be in.
func (s *shape) line(field string) int {
	for {
		if line, ok := s.lines[field]; ok {
			return line
		}
		cut := strings.LastIndexAny(field, ".[")
		if cut < 0 {
			return 0
		}
		field = field[:cut]
	}
}

func (s *shape) fail(line int, field, format string, args ...any) {
	s.problems = append(s.problems, Problem{File: s.file, Line: line, Field: field, Description: fmt.Sprintf(format, args...)})
}

// check compares a node with the type that it becomes.
func (s *shape) check(node *yaml.Node, t reflect.Type, field string, tag reflect.StructTag) {
	s.lines[field] = node.Line
	switch {
	case node.Kind == yaml.AliasNode:
		s.fail(node.Line, field, "must be written out: anchors and aliases are not used")
	case t == reflect.TypeFor[Duration]():
		s.duration(node, field, tag)
	case t.Kind() == reflect.Struct:
		s.structure(node, t, field)
	case t.Kind() == reflect.Slice:
		if node.Kind != yaml.SequenceNode {
			s.fail(node.Line, field, "must be a list")
			return
		}
		for i, item := range node.Content {
			s.check(item, t.Elem(), fmt.Sprintf("%s[%d]", field, i), tag)
		}
	case t.Kind() == reflect.Map:
		s.mapping(node, field)
	default:
		s.scalar(node, t, field, tag)
	}
}

func (s *shape) structure(node *yaml.Node, t reflect.Type, field string) {
	if node.Kind != yaml.MappingNode {
		s.fail(node.Line, field, "must be a mapping with the fields %s", strings.Join(slices.Sorted(maps.Keys(fieldsOf(t))), ", "))
		return
	}
	known := fieldsOf(t)
	given := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, at := node.Content[i].Value, node.Content[i].Line
		path := within(field, name)
		f, ok := known[name]
		switch {
		case !ok:
			s.fail(at, path, "there is no such field; there are %s", strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		case given[name]:
			s.fail(at, path, "is given twice")
		default:
			given[name] = true
			s.check(node.Content[i+1], f.Type, path, f.Tag)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if known[name].Tag.Get("required") == "true" && !given[name] {
			s.fail(node.Line, within(field, name), "is required")
		}
	}
}

// mapping checks a map of texts.
func (s *shape) mapping(node *yaml.Node, field string) {
	if node.Kind != yaml.MappingNode {
		s.fail(node.Line, field, "must be a mapping of texts")
		return
	}
	given := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i].Value, node.Content[i+1]
		path := within(field, key)
		if given[key] {
			s.fail(value.Line, path, "is given twice")
		}
		given[key] = true
		s.scalar(value, reflect.TypeFor[string](), path, "")
	}
}

func (s *shape) scalar(node *yaml.Node, t reflect.Type, field string, tag reflect.StructTag) {
	s.lines[field] = node.Line
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		s.fail(node.Line, field, "must have one value")
		return
	}
	switch t.Kind() {
	case reflect.Bool:
		if node.Tag != "!!bool" {
			s.fail(node.Line, field, "must be true or false")
		}
	case reflect.Int, reflect.Int32:
		if _, err := strconv.ParseInt(node.Value, 10, 32); err != nil {
			s.fail(node.Line, field, "must be a whole number")
		}
	default:
		allowed := enumOf(tag)
		if len(allowed) > 0 && !slices.Contains(allowed, node.Value) {
			s.fail(node.Line, field, "%q is none of %s", node.Value, strings.Join(allowed, ", "))
		}
		if tag.Get("required") == "true" && strings.TrimSpace(node.Value) == "" {
			s.fail(node.Line, field, "is required")
		}
	}
}

func (s *shape) duration(node *yaml.Node, field string, tag reflect.StructTag) {
	d, err := parseDuration(node.Value)
	if node.Kind != yaml.ScalarNode || err != nil {
		s.fail(node.Line, field, "%q is no duration: write 90d, 8h, 10m or 30s", node.Value)
		return
	}
	if d < Duration(time.Second) {
		s.fail(node.Line, field, "must be at least 1s; leave it out where it is not known")
	}
	if longest, err := parseDuration(tag.Get("max")); err == nil && d > longest {
		s.fail(node.Line, field, "must be at most %s", longest)
	}
}

// fieldsOf are the fields of a struct by their name in YAML.
func fieldsOf(t reflect.Type) map[string]reflect.StructField {
	out := make(map[string]reflect.StructField, t.NumField())
	for f := range t.Fields() {
		out[yamlName(f)] = f
	}
	return out
}

func yamlName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name
}

func enumOf(tag reflect.StructTag) []string {
	list := tag.Get("enum")
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// within is the path of a field of a field.
func within(field, name string) string {
	if field == "" {
		return name
	}
	return field + "." + name
}
