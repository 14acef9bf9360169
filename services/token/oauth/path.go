package oauth

import (
	"encoding/json"
	"strings"
)

// fields are the members of an answer, as encoding/json decodes them with numbers kept as text.
type fields map[string]any

// lookup returns what is at a path: names of members separated by dots. A member whose own name has the dots comes first.
// nil if there is nothing.
func (f fields) lookup(path string) any {
	if value, ok := f[path]; ok {
		return value
	}
	var at any = map[string]any(f)
	for name := range strings.SplitSeq(path, ".") {
		object, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = object[name]
	}
	return at
}

// text returns a value that should be a string: also a number is taken for one. Anything else is absent.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return strings.TrimSpace(v)
	case json.Number:
		return v.String()
	default:
		return ""
	}
}

// scopes returns a value that is a list of scopes: separated by spaces as RFC 6749 section 3.3 says, by commas, by what the
// dialect says, or an array.
func scopes(value any, separator string) []string {
	separated := func(text string) []string {
		return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,\t\r\n"+separator, r) })
	}
	switch v := value.(type) {
	case string:
		return separated(v)
	case []any:
		var list []string
		for _, element := range v {
			if text, ok := element.(string); ok {
				list = append(list, separated(text)...)
			}
		}
		return list
	default:
		return nil
	}
}

// sibling returns the path of another member of the object that a path leads into.
func sibling(path, name string) string {
	if dot := strings.LastIndexByte(path, '.'); dot >= 0 {
		return path[:dot+1] + name
	}
	return name
}
