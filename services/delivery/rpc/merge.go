package rpc

import (
	"errors"
	"slices"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/freshet-io/freshet/services/delivery"
)

// merge sets the fields of stored that the mask names to what in has, and checks the outcome against the contract. resource is its name
// in requests; changeable are the fields that callers may change.
//
// Without a mask, every field that is set in in counts. Lists and maps are replaced as a whole; a named field that in does not set is
// cleared; "*" names everything changeable. Output fields that a client sends back as it read them are ignored (AIP-203), unless the
// mask names nothing else.
func (s *server) merge(resource string, stored, in proto.Message, mask *fieldmaskpb.FieldMask, changeable ...string) error {
	from, to := in.ProtoReflect(), stored.ProtoReflect()
	paths, err := changes(from, mask, changeable)
	if err != nil {
		return err
	}
	for _, path := range paths {
		field := to.Descriptor().Fields().ByName(protoreflect.Name(path))
		if from.Has(field) {
			to.Set(field, from.Get(field))
		} else {
			to.Clear(field)
		}
	}
	return s.check(resource, stored)
}

func changes(in protoreflect.Message, mask *fieldmaskpb.FieldMask, changeable []string) ([]string, error) {
	if len(mask.GetPaths()) == 0 {
		var set []string
		in.Range(func(field protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
			if name := string(field.Name()); slices.Contains(changeable, name) {
				set = append(set, name)
			}
			return true
		})
		return set, nil
	}
	var paths []string
	onlyIdentity := true
	for _, path := range mask.GetPaths() {
		onlyIdentity = onlyIdentity && (path == "name" || path == "etag")
		switch {
		case path == "*":
			paths = append(paths, changeable...)
		case slices.Contains(changeable, path):
			paths = append(paths, path)
		case in.Descriptor().Fields().ByName(protoreflect.Name(path)) == nil:
			return nil, &maskError{path + " is no field that can be changed by itself; those that can: " + strings.Join(changeable, ", ")}
		}
	}
	if len(paths) == 0 && !onlyIdentity {
		return nil, &maskError{strings.Join(mask.GetPaths(), ", ") + " cannot be changed; fields that can: " + strings.Join(changeable, ", ")}
	}
	return paths, nil
}

// check is what the server does with every other request before its handler runs.
func (s *server) check(resource string, merged proto.Message) error {
	err := s.validator.Validate(merged)
	var invalid *protovalidate.ValidationError
	if !errors.As(err, &invalid) {
		return err // nil, or a rule that cannot be evaluated
	}
	e := &delivery.InvalidError{}
	for _, v := range invalid.Violations {
		description := v.Proto.GetMessage()
		if description == "" {
			description = "breaks the rule " + v.Proto.GetRuleId()
		}
		e.Violations = append(e.Violations, delivery.Violation{
			Field: resource + "." + protovalidate.FieldPathString(v.Proto.GetField()), Description: description,
		})
	}
	return e
}
