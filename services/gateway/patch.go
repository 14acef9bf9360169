package gateway

import (
	"bytes"
	"slices"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// parameterUpdateMask is the query parameter that names the fields a PATCH changes.
const parameterUpdateMask = "updateMask"

// maskOf returns the update mask of a PATCH that names none: the fields its body has, as in a JSON merge patch, but not those that a
// caller cannot change and only sends back as it read them: the name, what is output only, and the etag, which is compared (AIP-154).
// "" when the body does not say; the call then fails on the body or changes what is set.
func (r *route) maskOf(body []byte) string {
	field := r.input.Descriptor().Fields().ByName(protoreflect.Name(r.body))
	if field == nil || field.Message() == nil {
		return ""
	}
	resource := r.input.New().NewField(field).Message()
	mask, err := runtime.FieldMaskFromRequestBody(bytes.NewReader(body), resource.Interface())
	if err != nil {
		return ""
	}
	paths := slices.DeleteFunc(mask.GetPaths(), func(path string) bool {
		top, _, _ := strings.Cut(path, ".")
		return fixed(field.Message().Fields().ByName(protoreflect.Name(top)))
	})
	return strings.Join(paths, ",")
}

func fixed(field protoreflect.FieldDescriptor) bool {
	if field == nil || field.Name() == "etag" {
		return field != nil
	}
	behaviors, _ := proto.GetExtension(field.Options(), annotations.E_FieldBehavior).([]annotations.FieldBehavior)
	return slices.Contains(behaviors, annotations.FieldBehavior_OUTPUT_ONLY) || slices.Contains(behaviors, annotations.FieldBehavior_IMMUTABLE)
}
