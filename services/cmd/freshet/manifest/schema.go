package manifest

import (
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
)

// writable reports whether a caller decides the field. A resource's name and etag are not part of what is declared.
func writable(fd protoreflect.FieldDescriptor) bool {
	return !hasBehavior(fd, annotations.FieldBehavior_OUTPUT_ONLY) && !hasBehavior(fd, annotations.FieldBehavior_IMMUTABLE) &&
		fd.Name() != "etag"
}

// writeOnly reports whether the field is a secret that the server never returns.
func writeOnly(fd protoreflect.FieldDescriptor) bool {
	return hasBehavior(fd, annotations.FieldBehavior_INPUT_ONLY)
}

func hasBehavior(fd protoreflect.FieldDescriptor, behavior annotations.FieldBehavior) bool {
	behaviors, _ := proto.GetExtension(fd.Options(), annotations.E_FieldBehavior).([]annotations.FieldBehavior)
	return slices.Contains(behaviors, behavior)
}

// isParameterValue reports whether the field is the value of an HttpParameter, which is a secret if its parameter says so.
func isParameterValue(fd protoreflect.FieldDescriptor) bool {
	return fd.FullName() == new(connectionv1.HttpParameter).ProtoReflect().Descriptor().FullName().Append("value")
}

// referable reports whether the field may take its value from elsewhere: all secrets, and what usually comes in a file beside one.
func referable(fd protoreflect.FieldDescriptor) bool {
	return writeOnly(fd) || isParameterValue(fd) ||
		fd.FullName() == new(connectionv1.ClientCertificate).ProtoReflect().Descriptor().FullName().Append("certificate_chain")
}

// maskPath is the path in a field mask of a field's path in a manifest. ok is false for one within a list, which no mask can name.
func maskPath(md protoreflect.MessageDescriptor, path string) (_ string, ok bool) {
	var names []string
	for name := range strings.SplitSeq(path, ".") {
		fd := md.Fields().ByJSONName(name)
		if fd == nil {
			return "", false
		}
		names = append(names, string(fd.Name()))
		md = fd.Message()
	}
	return strings.Join(names, "."), true
}

// hidden reports whether the value of the field in m is a secret.
func hidden(m protoreflect.Message, fd protoreflect.FieldDescriptor) bool {
	if parameter, ok := m.Interface().(*connectionv1.HttpParameter); ok && isParameterValue(fd) {
		return parameter.GetSecret()
	}
	return writeOnly(fd)
}

// fieldNames lists what may be written in a message of md, for people.
func fieldNames(md protoreflect.MessageDescriptor) string {
	var names []string
	for i := range md.Fields().Len() {
		if fd := md.Fields().Get(i); writable(fd) {
			names = append(names, fd.JSONName())
		}
	}
	return strings.Join(names, ", ")
}

// valueNames lists the values of an enum, for people, without the one that says that it is not set.
func valueNames(ed protoreflect.EnumDescriptor) string {
	var names []string
	for i := range ed.Values().Len() {
		if value := ed.Values().Get(i); value.Number() != 0 {
			names = append(names, string(value.Name()))
		}
	}
	return strings.Join(names, ", ")
}

func sortedKeys(entries protoreflect.Map) []protoreflect.MapKey {
	keys := make([]protoreflect.MapKey, 0, entries.Len())
	entries.Range(func(key protoreflect.MapKey, _ protoreflect.Value) bool {
		keys = append(keys, key)
		return true
	})
	slices.SortFunc(keys, func(a, b protoreflect.MapKey) int { return strings.Compare(a.String(), b.String()) })
	return keys
}
