package delivery

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/freshet-io/freshet/services/delivery/shape"
)

// errNoInput ends a delivery: the event cannot be shaped.
var errNoInput = errors.New("the event has no value at the target's input path")

// Transformer makes a body out of an event by a template; see shape.Template.
type Transformer struct {
	Paths    map[string]string // JSON paths by the names of placeholders
	Template string
}

// parse returns the template, or what is wrong with it: the field, as under input_transformer, and why.
func (t *Transformer) parse() (*shape.Template, *Violation) {
	paths := make(map[string]shape.Path, len(t.Paths))
	for _, name := range slices.Sorted(maps.Keys(t.Paths)) {
		field := fmt.Sprintf("input_paths_map[%q]", name)
		if strings.HasPrefix(strings.ToUpper(name), "AWS") {
			return nil, &Violation{field, "a name must not begin with AWS: those are reserved"}
		}
		path, err := shape.ParsePath(t.Paths[name])
		if err != nil {
			return nil, &Violation{field, err.Error()}
		}
		paths[name] = path
	}
	template, err := shape.ParseTemplate(t.Template, paths)
	if err != nil {
		return nil, &Violation{"input_template", err.Error()}
	}
	return template, nil
}

// checkInput checks which part of the event becomes the body.
func checkInput(t *Target, at string) []Violation {
	var bad []Violation
	given := 0
	if t.Input != "" {
		given++
		if !json.Valid([]byte(t.Input)) {
			bad = append(bad, Violation{at + ".input", "must be JSON text; a plain text is a JSON string with its quotation marks"})
		}
	}
	if t.InputPath != "" {
		given++
		if _, err := shape.ParsePath(t.InputPath); err != nil {
			bad = append(bad, Violation{at + ".input_path", err.Error()})
		}
	}
	if t.Transformer != nil {
		given++
		if _, wrong := t.Transformer.parse(); wrong != nil {
			bad = append(bad, Violation{at + ".input_transformer." + wrong.Field, wrong.Description})
		}
	}
	if given > 1 {
		bad = append(bad, Violation{at, "only one of input, input_path and input_transformer must be set"})
	}
	return bad
}

// payload returns the body of a delivery before the connection adds to it. With shape.ErrNotJSON it is what would have been sent.
//
// The envelope may be nil if wantsEnvelope says so.
func (d *Delivery) payload(envelope []byte) ([]byte, error) {
	t := &d.Target
	switch {
	case t.Body != nil:
		return []byte(*t.Body), nil
	case t.Input != "":
		return []byte(t.Input), nil
	case t.Transformer != nil:
		template, wrong := t.Transformer.parse()
		if wrong != nil { // it was valid when it was stored
			return nil, errors.New(wrong.Field + ": " + wrong.Description)
		}
		return template.Render(shape.Occasion{
			Event: envelope, Rule: RuleName{d.ID.Project, d.Event.Bus, d.Rule}.String(), RuleID: d.Rule, Ingested: d.Event.IngestionTime,
		})
	case t.InputPath == "":
		return envelope, nil
	case t.InputPath == detailPath:
		return []byte(strings.Trim(d.Event.Detail, jsonSpace)), nil
	}
	path, err := shape.ParsePath(t.InputPath)
	if err != nil {
		return nil, err
	}
	body, ok := path.Find(envelope)
	if !ok {
		return nil, fmt.Errorf("%w %s", errNoInput, t.InputPath)
	}
	return body, nil
}

const (
	// detailPath is the input path that most targets have, which needs no search.
	detailPath = "$.detail"
	jsonSpace  = " \t\r\n"
)

// wantsEnvelope tells whether anything of a request is taken from the event's envelope.
func (d *Delivery) wantsEnvelope() bool {
	t := &d.Target
	fromDetail := t.Input != "" || t.Transformer == nil && t.InputPath == detailPath
	return !fromDetail || len(t.PathParameters)+len(t.QueryParameters)+len(t.Headers) > 0
}
