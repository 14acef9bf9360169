package catalog

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// ParameterError says what is wrong with an instance value.
type ParameterError struct {
	Parameter   string
	Description string
}

// Error implements error.
func (e *ParameterError) Error() string { return e.Parameter + ": " + e.Description }

// Values are the instance values of a connection: those it gives, judged, and defaults for the rest.
//
// The error is a *[ParameterError].
func (e Entry) Values(given map[string]string) (map[string]Value, error) {
	values := make(map[string]Value, len(e.Instance))
	for _, p := range e.Instance {
		text, ok := given[p.Name]
		if !ok || text == "" {
			text = p.Default
		}
		if text == "" {
			return nil, &ParameterError{p.Name, fmt.Sprintf("is required for the provider %s: %s", e.ID, p.Description)}
		}
		if err := p.check(text); err != nil {
			return nil, &ParameterError{p.Name, err.Error()}
		}
		values[p.Name] = Value{Kind: p.Kind, Text: text}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if _, known := values[name]; !known {
			return nil, &ParameterError{name, "is no parameter of the provider " + e.ID + e.parametersThereAre()}
		}
	}
	return values, nil
}

func (e Entry) parametersThereAre() string {
	if len(e.Instance) == 0 {
		return ", which has none"
	}
	names := make([]string, len(e.Instance))
	for i, p := range e.Instance {
		names[i] = p.Name
	}
	return ", which has " + strings.Join(names, ", ")
}

// check judges one value.
func (p Parameter) check(text string) error {
	if p.Pattern != "" {
		pattern, err := regexp.Compile(`\A(?:` + p.Pattern + `)\z`)
		if err != nil {
			return fmt.Errorf("cannot be judged: %w", err)
		}
		if !pattern.MatchString(text) {
			return fmt.Errorf("must match %s, as %s does: %s", p.Pattern, p.Example, p.Description)
		}
	}
	return Value{Kind: p.Kind, Text: text}.check()
}

// samples are values that are allowed, for judging an entry.
func (e Entry) samples() map[string]string {
	out := make(map[string]string, len(e.Instance))
	for _, p := range e.Instance {
		out[p.Name] = p.Example
	}
	return out
}
