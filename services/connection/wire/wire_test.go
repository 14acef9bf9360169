package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/wire"
)

// fill sets every field of m, and of all messages in it, to something else than its default. Of a oneof the last member stays.
func fill(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		switch {
		case field.IsMap():
			m.Mutable(field).Map().Set(protoreflect.ValueOfString("key of "+string(field.Name())).MapKey(), value(field.MapValue()))
		case field.IsList() && field.Message() != nil:
			fill(m.Mutable(field).List().AppendMutable().Message())
		case field.IsList():
			m.Mutable(field).List().Append(value(field))
		case field.Message() != nil:
			fill(m.Mutable(field).Message())
		default:
			m.Set(field, value(field))
		}
	}
}

func value(field protoreflect.FieldDescriptor) protoreflect.Value {
	switch field.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		values := field.Enum().Values()
		return protoreflect.ValueOfEnum(values.Get(values.Len() - 1).Number())
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(3000)
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(3)
	default:
		return protoreflect.ValueOfString("text of " + string(field.Name()))
	}
}

// TestNoFieldIsLost sends every kind with all its fields there and back. It fails when the contract gets a field that the translation does
// not know.
func TestNoFieldIsLost(t *testing.T) {
	t.Parallel()
	oauth2, apiKey, basic := &connectionv1.OAuth2Authorization{}, &connectionv1.ApiKeyAuthorization{}, &connectionv1.BasicAuthorization{}
	invocation, oauth1 := &connectionv1.HttpParameters{}, &connectionv1.OAuth1Authorization{}
	for _, m := range []proto.Message{oauth2, apiKey, basic, oauth1, invocation} {
		fill(m.ProtoReflect())
	}
	oauth2.Provider = wire.ProviderName("acme")
	for _, sent := range []*connectionv1.Connection{
		{Authorization: &connectionv1.Connection_Oauth2{Oauth2: oauth2}, InvocationParameters: invocation},
		{Authorization: &connectionv1.Connection_ApiKey{ApiKey: apiKey}, InvocationParameters: invocation},
		{Authorization: &connectionv1.Connection_Basic{Basic: basic}},
		{Authorization: &connectionv1.Connection_Oauth1{Oauth1: oauth1}},
	} {
		got := wire.FromSettings(connection.Connection{Settings: wire.ToSettings(sent)})
		require.True(t, proto.Equal(sent.GetOauth2(), got.GetOauth2()), "%v", got)
		require.True(t, proto.Equal(sent.GetApiKey(), got.GetApiKey()), "%v", got)
		require.True(t, proto.Equal(sent.GetBasic(), got.GetBasic()), "%v", got)
		require.True(t, proto.Equal(sent.GetOauth1(), got.GetOauth1()), "%v", got)
		require.True(t, proto.Equal(sent.GetInvocationParameters(), got.GetInvocationParameters()), "%v", got)
	}
}

func TestStatesAndReasons(t *testing.T) {
	t.Parallel()
	for number, name := range connectionv1.Connection_State_name {
		state := connectionv1.Connection_State(number)
		require.Equal(t, state, wire.FromState(wire.ToState(state)), name)
	}
	require.Empty(t, wire.ToState(connectionv1.Connection_STATE_UNSPECIFIED))
	for number, name := range errorsv1.Reason_name {
		reason := errorsv1.Reason(number)
		require.Equal(t, reason, wire.FromReason(wire.ToReason(reason)), name)
	}
	require.Empty(t, wire.ToReason(errorsv1.Reason_REASON_UNSPECIFIED))
	require.Empty(t, wire.ToReason(99999))
}
