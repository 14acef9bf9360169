package rpc

import (
	"errors"
	"slices"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/wire"
)

// edit merges the request into the stored connection and checks the outcome against the contract's rules.
func (s *server) edit(stored connection.Connection, req *connectionv1.UpdateConnectionRequest) (connection.Connection, error) {
	kind := stored.Settings.Kind.Field()
	merged, err := merge(wire.FromConnection(stored), req.GetConnection(), kind, req.GetUpdateMask())
	if err != nil {
		return connection.Connection{}, err
	}
	if err := s.check(merged); err != nil {
		return connection.Connection{}, err
	}
	stored.Description = merged.GetDescription()
	stored.Settings = wire.ToSettings(merged)
	return stored, nil
}

// check is what the server does with every other request before its handler runs.
func (s *server) check(merged *connectionv1.Connection) error {
	err := s.options.Validator.Validate(merged)
	var invalid *protovalidate.ValidationError
	if !errors.As(err, &invalid) {
		return err // nil, or a rule that cannot be evaluated
	}
	e := &connection.ValidationError{}
	for _, v := range invalid.Violations {
		description := v.Proto.GetMessage()
		if description == "" {
			description = "breaks the rule " + v.Proto.GetRuleId()
		}
		e.Violations = append(e.Violations, connection.Violation{
			Field: protovalidate.FieldPathString(v.Proto.GetField()), Description: description,
		})
	}
	return e
}

// merge returns stored with the fields of in that mask names. kind is the field of the stored authorization.
//
// Without a mask, every field that is set in in counts, each for itself: a set client secret alone changes nothing else of oauth2. Lists
// and maps are replaced as a whole. A named field that in does not set is cleared; secrets are kept nevertheless, see
// connection.Settings.KeepingSecrets. The mask "*" names everything that can be changed.
//
// A REST client that sends back what it read names output fields too; they are ignored as AIP-203 says, unless the mask names nothing
// else. `name` and `etag` identify what is changed and are never changes.
func merge(stored, in *connectionv1.Connection, kind string, mask *fieldmaskpb.FieldMask) (*connectionv1.Connection, error) {
	in = proto.CloneOf(in)
	if set := authorizationField(in); set != "" && set != kind && (len(mask.GetPaths()) == 0 || names(mask, set)) {
		return nil, &connection.ValidationError{Violations: []connection.Violation{{
			Field: set, Description: "the kind of a connection cannot change: this one is of kind " + kind,
		}}}
	}
	paths, err := changes(in, kind, mask)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		copyField(stored.ProtoReflect(), in.ProtoReflect(), path)
	}
	return stored, nil
}

// changes returns the paths to copy, each split at its points.
func changes(in *connectionv1.Connection, kind string, mask *fieldmaskpb.FieldMask) ([][]string, error) {
	changeable := []string{"description", kind, "invocation_parameters", "api_base_url", "proxy_settings"}
	if len(mask.GetPaths()) == 0 {
		return setPaths(in.ProtoReflect(), changeable), nil
	}
	var paths [][]string
	for _, path := range mask.GetPaths() {
		segments := strings.Split(path, ".")
		switch {
		case path == "*":
			for _, field := range changeable {
				paths = append(paths, []string{field})
			}
		case !exists(in.ProtoReflect().Descriptor(), segments):
			return nil, &maskError{path, "names no field of a connection, or one inside a list or map, which is replaced as a whole"}
		case slices.Contains(changeable, segments[0]):
			paths = append(paths, segments)
		case slices.Contains([]string{"oauth2", "api_key", "basic", "oauth1"}, segments[0]):
			return nil, &maskError{path, "names another kind of authorization than the connection's, which is " + kind + " and cannot change"}
		}
	}
	if len(paths) == 0 && !identifiesOnly(mask) {
		return nil, &maskError{
			strings.Join(mask.GetPaths(), ","),
			"names only fields that cannot be changed; those that can: " + strings.Join(changeable, ", "),
		}
	}
	return paths, nil
}

// identifiesOnly reports whether the mask, made from what a client sent, names nothing but the resource.
func identifiesOnly(mask *fieldmaskpb.FieldMask) bool {
	return !slices.ContainsFunc(mask.GetPaths(), func(path string) bool { return path != "name" && path != "etag" })
}

// names reports whether the mask names the field or something within.
func names(mask *fieldmaskpb.FieldMask, field string) bool {
	return slices.ContainsFunc(mask.GetPaths(), func(path string) bool {
		return path == "*" || path == field || strings.HasPrefix(path, field+".")
	})
}

// authorizationField returns the name of the authorization that is set.
func authorizationField(m *connectionv1.Connection) string {
	message := m.ProtoReflect()
	field := message.WhichOneof(message.Descriptor().Oneofs().ByName("authorization"))
	if field == nil {
		return ""
	}
	return string(field.Name())
}

// setPaths returns the paths of the fields that are set in the given fields of m, down to the innermost.
func setPaths(m protoreflect.Message, fields []string) [][]string {
	var paths [][]string
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		name := string(field.Name())
		switch {
		case fields != nil && !slices.Contains(fields, name):
		case isComposed(field):
			for _, path := range setPaths(value.Message(), nil) {
				paths = append(paths, append([]string{name}, path...))
			}
		default:
			paths = append(paths, []string{name})
		}
		return true
	})
	return paths
}

// exists reports whether a path leads through messages to a field.
func exists(m protoreflect.MessageDescriptor, path []string) bool {
	field := m.Fields().ByName(protoreflect.Name(path[0]))
	if field == nil {
		return false
	}
	return len(path) == 1 || isComposed(field) && exists(field.Message(), path[1:])
}

// isComposed reports whether a field is one message of ours. Those of the google package, such as durations, are values.
func isComposed(field protoreflect.FieldDescriptor) bool {
	return field.Message() != nil && !field.IsList() && !field.IsMap() &&
		!strings.HasPrefix(string(field.Message().FullName()), "google.")
}

// copyField sets the field of dst at path to what src has there, or clears it.
func copyField(dst, src protoreflect.Message, path []string) {
	field := dst.Descriptor().Fields().ByName(protoreflect.Name(path[0]))
	switch {
	case len(path) > 1 && !dst.Has(field) && !src.Has(field):
		// Nothing to copy; an empty message would have to obey its rules.
	case len(path) > 1:
		copyField(dst.Mutable(field).Message(), src.Get(field).Message(), path[1:])
	case src.Has(field):
		dst.Set(field, src.Get(field))
	default:
		dst.Clear(field)
	}
}
