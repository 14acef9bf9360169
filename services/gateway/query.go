package gateway

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

const fieldMask = protoreflect.FullName("google.protobuf.FieldMask")

// parseQuery returns the query parameters of a request, or every fault in them. A parameter that the method does not have is a fault: a
// misspelt one would be a setting that silently does not apply.
func (r *route) parseQuery(raw string) (url.Values, error) {
	given, err := url.ParseQuery(raw)
	if err != nil {
		return nil, rpcerr.Invalid(rpcerr.Violation{Field: "query", Description: "is malformed: " + err.Error()})
	}
	var faults []rpcerr.Violation
	parsed := make(url.Values, len(given))
	for _, key := range slices.Sorted(maps.Keys(given)) {
		fault := func(description string) {
			faults = append(faults, rpcerr.Violation{Field: key, Description: description})
		}
		field, ok := r.query[key]
		if !ok {
			fault(r.unknownParameter(key))
			continue
		}
		values, name := given[key], field.JSONName()
		if parsed.Has(name) || len(values) > 1 && !field.IsList() {
			fault("is given more than once")
			continue
		}
		if field.Message() != nil && field.Message().FullName() == fieldMask {
			values = []string{snakePaths(values[0])}
		}
		if runtime.PopulateQueryParameters(r.input.New().Interface(), url.Values{name: values}, utilities.NewDoubleArray(nil)) != nil {
			fault("must be " + expected(field))
			continue
		}
		parsed[name] = values
	}
	if len(faults) > 0 {
		return nil, rpcerr.Invalid(faults...)
	}
	return parsed, nil
}

func (r *route) unknownParameter(key string) string {
	var known []string
	for name, field := range r.query {
		if name == field.JSONName() {
			known = append(known, name)
		}
	}
	if len(known) == 0 {
		return "is not a query parameter: the method has none"
	}
	slices.Sort(known)
	description := "is not a query parameter of the method, which has " + strings.Join(known, ", ")
	if name, _, _ := strings.Cut(key, "."); name == r.body {
		description += "; the " + name + " is the body"
	}
	return description
}

// expected says what the value of a query parameter looks like.
func expected(field protoreflect.FieldDescriptor) string {
	switch field.Kind() {
	case protoreflect.BoolKind:
		return "true or false"
	case protoreflect.EnumKind:
		names := make([]string, 0, field.Enum().Values().Len())
		for i := range field.Enum().Values().Len() {
			if value := field.Enum().Values().Get(i); value.Number() != 0 {
				names = append(names, string(value.Name()))
			}
		}
		return "one of " + strings.Join(names, ", ")
	case protoreflect.MessageKind:
		switch field.Message().FullName() {
		case "google.protobuf.Duration":
			return `a duration such as "60s"`
		case "google.protobuf.Timestamp":
			return `a time such as "2026-01-02T15:04:05Z"`
		default:
			return "of type " + string(field.Message().FullName())
		}
	case protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.Uint32Kind, protoreflect.Uint64Kind:
		return "a whole number within its range"
	default:
		return "of type " + field.Kind().String()
	}
}

// snakePaths turns the JSON form of a field mask, "description,oauth2.clientSecret", into that of the contract.
// https://protobuf.dev/reference/protobuf/google.protobuf/#json-encoding-field-masks
func snakePaths(paths string) string {
	var out strings.Builder
	for _, c := range paths {
		if 'A' <= c && c <= 'Z' {
			out.WriteByte('_')
			c += 'a' - 'A'
		}
		out.WriteRune(c)
	}
	return out.String()
}

// camelPath turns the path of a field from the contract's spelling into that of JSON, leaving subscripts as they are.
func camelPath(path string) string {
	var out strings.Builder
	upper, depth := false, 0
	for _, c := range path {
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == '_' && depth == 0:
			upper = true
			continue
		case upper && 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		}
		upper = false
		out.WriteRune(c)
	}
	return out.String()
}
