package catalog

import (
	"encoding/json"
	"reflect"
)

// property is a JSON Schema, as much of it as an entry needs.
type property struct {
	Schema      string              `json:"$schema,omitempty"`
	ID          string              `json:"$id,omitempty"`
	Title       string              `json:"title,omitempty"`
	Description string              `json:"description,omitempty"`
	Type        string              `json:"type,omitempty"`
	Pattern     string              `json:"pattern,omitempty"`
	Enum        []string            `json:"enum,omitempty"`
	Items       *property           `json:"items,omitempty"`
	Properties  map[string]property `json:"properties,omitempty"`
	Required    []string            `json:"required,omitempty"`
	// Additional is false for structures, a schema for maps.
	Additional any `json:"additionalProperties,omitempty"`
}

// Schema is the JSON Schema (draft 2020-12) of an entry, for editors.
func Schema() ([]byte, error) {
	root := describe(reflect.TypeFor[Entry](), "")
	root.Schema = "https://json-schema.org/draft/2020-12/schema"
	root.ID = "urn:freshet:provider"
	root.Title = "A provider of Freshet's catalogue"
	return json.MarshalIndent(root, "", "  ")
}

func describe(t reflect.Type, tag reflect.StructTag) property {
	p := property{Description: tag.Get("doc")}
	switch {
	case t == reflect.TypeFor[Duration]():
		p.Type, p.Pattern = "string", `^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$`
	case t.Kind() == reflect.Struct:
		p.Type, p.Properties, p.Additional = "object", map[string]property{}, false
		for f := range t.Fields() {
			name := yamlName(f)
			p.Properties[name] = describe(f.Type, f.Tag)
			if f.Tag.Get("required") == "true" {
				p.Required = append(p.Required, name)
			}
		}
	case t.Kind() == reflect.Slice:
		items := describe(t.Elem(), "")
		items.Enum = enumOf(tag)
		p.Type, p.Items = "array", &items
	case t.Kind() == reflect.Map:
		p.Type, p.Additional = "object", property{Type: "string"}
	case t.Kind() == reflect.Bool:
		p.Type = "boolean"
	case t.Kind() == reflect.Int || t.Kind() == reflect.Int32:
		p.Type = "integer"
	default:
		p.Type, p.Enum = "string", enumOf(tag)
	}
	return p
}
