package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

const (
	mimeJSON        = "application/json"
	mimeNDJSON      = "application/x-ndjson"
	mimeEventStream = "text/event-stream"
)

// jsonMarshaler speaks the JSON mapping of protobuf with lowerCamelCase names. Unknown fields of a request are an error, because a
// misspelt field that is silently dropped is a setting that silently does not apply.
type jsonMarshaler struct{ *runtime.JSONPb }

func newJSON() jsonMarshaler {
	return jsonMarshaler{&runtime.JSONPb{
		MarshalOptions:   protojson.MarshalOptions{},
		UnmarshalOptions: protojson.UnmarshalOptions{},
	}}
}

// StreamContentType is the media type of a stream: one JSON object a line.
func (jsonMarshaler) StreamContentType(any) string { return mimeNDJSON }

// Marshal returns resources without fields that are not set, and answers that are no resource (lists, counts, results) with all of
// their own fields: an empty list is [] and no failures are 0.
func (m jsonMarshaler) Marshal(v any) ([]byte, error) {
	if message, ok := v.(proto.Message); ok && strings.HasSuffix(string(message.ProtoReflect().Descriptor().Name()), "Response") {
		return m.marshalAnswer(message)
	}
	return m.JSONPb.Marshal(v)
}

func (m jsonMarshaler) marshalAnswer(message proto.Message) ([]byte, error) {
	members := make(map[string]json.RawMessage)
	// What an empty message has are the defaults of its own fields; what is set replaces them.
	empty := message.ProtoReflect().New().Interface()
	defaults, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(empty)
	if err != nil {
		return nil, err
	}
	set, err := m.MarshalOptions.Marshal(message)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(json.Unmarshal(defaults, &members), json.Unmarshal(set, &members)); err != nil {
		return nil, err
	}
	out := []byte{'{'}
	fields := message.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		name := fields.Get(i).JSONName()
		value, ok := members[name]
		if !ok {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, '"')
		out = append(out, name...)
		out = append(out, `":`...)
		out = append(out, value...)
	}
	return append(out, '}'), nil
}

// NewDecoder reads one JSON value and nothing after it. Its errors say where the fault is, and do not repeat values, which may be
// secrets in the wrong place.
func (m jsonMarshaler) NewDecoder(r io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(v any) error {
		text, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(text)) == 0 {
			return io.EOF // means to the caller: no body
		}
		var whole json.RawMessage
		if err := json.Unmarshal(text, &whole); err != nil {
			if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
				return fmt.Errorf("the body is not JSON: byte %d: %w", syntax.Offset, err)
			}
			return fmt.Errorf("the body is not JSON: %w", err)
		}
		if err := m.Unmarshal(text, v); err != nil {
			return errors.New("the body: " + readable(err.Error()))
		}
		return nil
	})
}

// repeatsValue matches the messages of protojson that end in a value of the request, up to that value.
var repeatsValue = regexp.MustCompile(`^(.*?(?:unexpected token|invalid value for .+? field [^\s:]+|invalid value|invalid \S+ value))\b.*$`)

// readable mends a message of protojson, which vary their white space so that nobody compares them.
func readable(message string) string {
	message = strings.TrimPrefix(strings.ReplaceAll(message, "\u00a0", " "), "proto: ")
	return repeatsValue.ReplaceAllString(message, "$1")
}

// eventStream writes server-sent events, each with one JSON object as its data.
// https://html.spec.whatwg.org/multipage/server-sent-events.html
type eventStream struct{ jsonMarshaler }

// Marshal returns one event, without the blank line that ends it.
func (m eventStream) Marshal(v any) ([]byte, error) {
	text, err := m.jsonMarshaler.Marshal(v)
	if err != nil {
		return nil, err
	}
	return append([]byte("data: "), bytes.TrimRight(text, "\n")...), nil
}

// Delimiter ends an event.
func (eventStream) Delimiter() []byte { return []byte("\n\n") }

// StreamContentType is the media type of server-sent events.
func (eventStream) StreamContentType(any) string { return mimeEventStream }
