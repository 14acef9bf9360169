package mapping

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

//go:embed interface.schema.json
var fileSchema []byte

// Schema is the JSON Schema (draft 2020-12) of an interface file, for editors.
func Schema() []byte { return slices.Clone(fileSchema) }

// schema judges values by a JSON Schema.
type schema struct{ compiled *jsonschema.Schema }

// misfit is one thing in which a value breaks a schema.
type misfit struct {
	path        []string
	description string
}

// closed keeps a schema from reading files and URLs.
type closed struct{}

// Load implements jsonschema.URLLoader.
func (closed) Load(url string) (any, error) {
	return nil, fmt.Errorf("refers to %s: a schema can refer to parts of itself only", url)
}

// newSchema compiles a JSON Schema, which has been read by decode.
func newSchema(document any) (*schema, []misfit) {
	const self = "urn:freshet:schema"
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(closed{})
	compiler.AssertFormat()
	err := compiler.AddResource(self, document)
	if err != nil {
		return nil, []misfit{{description: err.Error()}}
	}
	compiled, err := compiler.Compile(self)
	if wrong, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		if broken := misfits(wrong.Err); len(broken) > 0 {
			return nil, broken
		}
	}
	if refused, ok := errors.AsType[*jsonschema.LoadURLError](err); ok {
		return nil, []misfit{{description: refused.Err.Error()}}
	}
	if err != nil {
		return nil, []misfit{{description: "is no JSON Schema: " + strings.ReplaceAll(err.Error(), self, "")}}
	}
	return &schema{compiled: compiled}, nil
}

// check returns in what a value, which has been read by decode, breaks the schema. A nil schema takes everything.
func (s *schema) check(value any) []misfit {
	if s == nil {
		return nil
	}
	return misfits(s.compiled.Validate(value))
}

func misfits(err error) []misfit {
	wrong, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return nil
	}
	var found []misfit
	words := message.NewPrinter(language.English)
	var visit func(*jsonschema.ValidationError)
	visit = func(e *jsonschema.ValidationError) {
		switch k := e.ErrorKind.(type) {
		case *kind.AdditionalProperties:
			for _, name := range k.Properties {
				found = append(found, misfit{append(slices.Clone(e.InstanceLocation), name), "there is no such field"})
			}
			return
		case *kind.Required:
			for _, name := range k.Missing {
				found = append(found, misfit{append(slices.Clone(e.InstanceLocation), name), "is required"})
			}
			return
		case *kind.AnyOf, *kind.OneOf:
			found = append(found, misfit{e.InstanceLocation, "fits none, or too many, of the alternatives"})
			return
		}
		if len(e.Causes) == 0 {
			found = append(found, misfit{e.InstanceLocation, e.ErrorKind.LocalizedString(words)})
		}
		for _, cause := range e.Causes {
			visit(cause)
		}
	}
	visit(wrong)
	slices.SortStableFunc(found, func(a, b misfit) int { return slices.Compare(a.path, b.path) })
	return found
}

// decode reads JSON; numbers keep their spelling.
func decode(text []byte) (any, error) {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("is no JSON: %w", err)
	}
	return value, nil
}
