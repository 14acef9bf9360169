package gateway

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// route is one HTTP binding of one method, from its google.api.http annotation.
type route struct {
	method   string // "POST"
	template string // "/v1/{name=projects/*/connections/*}:test"
	segments []string
	verb     string
	rpc      protoreflect.FullName
	input    protoreflect.MessageType
	body     string // the field that is the body, "*" for the whole message, "" for none
	// query has the fields that are query parameters, by both of their names: lowerCamelCase and, as in bodies, the contract's.
	query map[string]protoreflect.FieldDescriptor
	// stream: the answer is a stream.
	stream bool
}

// routes is what is served. The gateway library has a routing of its own that forgives much: it takes any text as an id and ignores
// query parameters that it does not know. Here nothing that a caller wrote may silently mean something else.
type routes []*route

// newRoutes returns the bindings of all services of the files.
func newRoutes(files ...protoreflect.FileDescriptor) (routes, error) {
	var all routes
	for _, file := range files {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				bound, err := bindings(methods.Get(j))
				if err != nil {
					return nil, err
				}
				all = append(all, bound...)
			}
		}
	}
	return all, nil
}

func bindings(method protoreflect.MethodDescriptor) (routes, error) {
	rule, ok := proto.GetExtension(method.Options(), annotations.E_Http).(*annotations.HttpRule)
	if !ok || rule == nil {
		return nil, nil
	}
	var all routes
	for _, rule := range append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
		r, err := newRoute(method, rule)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", method.FullName(), err)
		}
		all = append(all, r)
	}
	return all, nil
}

// variable is a part of a path template that is bound to a field.
var variable = regexp.MustCompile(`\{([^=}]+)(?:=([^}]*))?\}`)

func newRoute(method protoreflect.MethodDescriptor, rule *annotations.HttpRule) (*route, error) {
	input, err := protoregistry.GlobalTypes.FindMessageByName(method.Input().FullName())
	if err != nil {
		return nil, err
	}
	r := &route{rpc: method.FullName(), input: input, body: rule.GetBody(), stream: method.IsStreamingServer()}
	switch pattern := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		r.method, r.template = "GET", pattern.Get
	case *annotations.HttpRule_Post:
		r.method, r.template = "POST", pattern.Post
	case *annotations.HttpRule_Patch:
		r.method, r.template = "PATCH", pattern.Patch
	case *annotations.HttpRule_Put:
		r.method, r.template = "PUT", pattern.Put
	case *annotations.HttpRule_Delete:
		r.method, r.template = "DELETE", pattern.Delete
	default:
		return nil, fmt.Errorf("an HTTP binding of kind %T is not supported", pattern)
	}
	bound := []string{r.body}
	plain := variable.ReplaceAllStringFunc(r.template, func(text string) string {
		parts := variable.FindStringSubmatch(text)
		field, _, _ := strings.Cut(parts[1], ".")
		bound = append(bound, field)
		if parts[2] == "" {
			return "*"
		}
		return parts[2]
	})
	if strings.Contains(plain, "**") {
		return nil, fmt.Errorf("the path %s has a wildcard over segments, which is not supported", r.template)
	}
	r.segments, r.verb = split(plain)
	if r.body != "*" {
		r.query = parameters(method.Input().Fields(), bound)
	}
	return r, nil
}

// parameters are the fields of a request that neither path nor body holds.
func parameters(fields protoreflect.FieldDescriptors, bound []string) map[string]protoreflect.FieldDescriptor {
	query := make(map[string]protoreflect.FieldDescriptor)
	for i := range fields.Len() {
		field := fields.Get(i)
		if slices.Contains(bound, string(field.Name())) {
			continue
		}
		query[field.JSONName()] = field
		query[string(field.Name())] = field
	}
	return query
}

// find returns the route of a request, or, where other methods are served at the path, those. The path is as it was sent: percent
// escapes are not undone, so an encoded slash or colon does not select another route. Empty and dot segments match nothing.
func (rs routes) find(method, escapedPath string) (found *route, allowed []string) {
	segments, verb := split(escapedPath)
	for _, r := range rs {
		if !r.matches(segments, verb) {
			continue
		}
		if r.method == method {
			return r, nil
		}
		allowed = append(allowed, r.method)
	}
	slices.Sort(allowed)
	return nil, allowed
}

func (r *route) matches(segments []string, verb string) bool {
	if verb != r.verb || len(segments) != len(r.segments) {
		return false
	}
	for i, want := range r.segments {
		switch got := segments[i]; {
		case want != "*" && got != want, got == "", got == ".", got == "..":
			return false
		}
	}
	return true
}

// split returns the segments of a path and its verb, what follows the last colon of the last segment. A colon that nothing follows is a
// verb that no route has.
func split(path string) (segments []string, verb string) {
	segments = strings.Split(strings.TrimPrefix(path, "/"), "/")
	last := &segments[len(segments)-1]
	if i := strings.LastIndexByte(*last, ':'); i >= 0 {
		*last, verb = (*last)[:i], (*last)[i+1:]
		if verb == "" {
			verb = ":"
		}
	}
	return segments, verb
}
