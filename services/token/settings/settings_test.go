package settings_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/settings"
)

// conn is a connection whose other side answers every call the same. Real calls are made in the tests of token/rpc.
type conn struct {
	answer *connectionv1.AuthorizationSettings
	err    error
	asked  string
}

func (c *conn) Invoke(_ context.Context, _ string, in, out any, _ ...grpc.CallOption) error {
	c.asked = in.(*connectionv1.GetAuthorizationSettingsRequest).GetName()
	if c.err == nil {
		proto.Merge(out.(proto.Message), &connectionv1.GetAuthorizationSettingsResponse{Settings: c.answer})
	}
	return c.err
}

func (c *conn) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, status.Error(codes.Unimplemented, "")
}

func secret(key, value string) token.Field {
	return token.Field{Key: key, Value: seal.NewSecret(value)}
}

func TestConversion(t *testing.T) {
	c := &conn{answer: &connectionv1.AuthorizationSettings{
		Name: "projects/p/connections/c", Uid: "u", Revision: 7,
		Authorization: &connectionv1.AuthorizationSettings_Oauth2{Oauth2: &connectionv1.OAuth2Authorization{
			GrantType: connectionv1.OAuth2Authorization_CLIENT_CREDENTIALS, TokenEndpoint: "https://as/token", ClientId: "id", ClientSecret: "s",
			ClientAuthentication: connectionv1.OAuth2Authorization_CLIENT_SECRET_POST, Scopes: []string{"a"}, Audience: "aud",
			TokenParameters: &connectionv1.HttpParameters{
				Headers: []*connectionv1.HttpParameter{{Key: "h", Value: "1"}}, Query: []*connectionv1.HttpParameter{{Key: "q", Value: "2"}},
				Body: []*connectionv1.HttpParameter{{Key: "b", Value: "3"}},
			},
			RefreshPolicy: &connectionv1.RefreshPolicy{RefreshBefore: durationpb.New(time.Minute), DefaultLifetime: durationpb.New(time.Hour)},
		}},
		InvocationParameters: &connectionv1.HttpParameters{Headers: []*connectionv1.HttpParameter{{Key: "i", Value: "4"}}},
	}}
	got, err := settings.New(c).AuthorizationSettings(t.Context(), "projects/p/connections/c")
	require.NoError(t, err)
	require.Equal(t, "projects/p/connections/c", c.asked)
	require.Equal(t, token.Settings{
		ConnectionUID: "u", Revision: 7, Kind: token.KindClientCredentials,
		OAuth2: token.OAuth2{
			Grant: token.KindClientCredentials, TokenEndpoint: "https://as/token", ClientID: "id", ClientSecret: seal.NewSecret("s"), ClientAuthentication: token.ClientSecretPost,
			Scopes: []string{"a"}, Audience: "aud", Policy: token.Policy{RefreshBefore: time.Minute, DefaultLifetime: time.Hour},
			Parameters: token.Fields{Headers: []token.Field{secret("h", "1")}, Query: []token.Field{secret("q", "2")}, Body: []token.Field{secret("b", "3")}},
		},
		Invocation: token.Fields{Headers: []token.Field{secret("i", "4")}},
	}, got)

	for _, p := range []*connectionv1.AuthorizationSettings{
		{Authorization: &connectionv1.AuthorizationSettings_ApiKey{ApiKey: &connectionv1.ApiKeyAuthorization{Name: "n", Value: "v"}}},
		{Authorization: &connectionv1.AuthorizationSettings_Basic{Basic: &connectionv1.BasicAuthorization{Username: "u", Password: "p"}}},
		{Authorization: &connectionv1.AuthorizationSettings_Oauth1{Oauth1: &connectionv1.OAuth1Authorization{ConsumerKey: "c", ConsumerSecret: "s"}}},
	} {
		got, err := settings.FromProto(p)
		require.NoError(t, err)
		require.True(t, got.Kind.Static())
	}
	got, err = settings.FromProto(&connectionv1.AuthorizationSettings{Authorization: &connectionv1.AuthorizationSettings_Oauth2{
		Oauth2: &connectionv1.OAuth2Authorization{GrantType: connectionv1.OAuth2Authorization_CLIENT_CREDENTIALS},
	}})
	require.NoError(t, err)
	require.Equal(t, token.ClientSecretBasic, got.OAuth2.ClientAuthentication, "the default")
}

func TestUnknownKinds(t *testing.T) {
	for _, p := range []*connectionv1.AuthorizationSettings{
		nil,
		{},
		{Authorization: &connectionv1.AuthorizationSettings_Oauth2{Oauth2: &connectionv1.OAuth2Authorization{GrantType: 99}}},
		{Authorization: &connectionv1.AuthorizationSettings_Oauth2{Oauth2: &connectionv1.OAuth2Authorization{
			GrantType: connectionv1.OAuth2Authorization_CLIENT_CREDENTIALS, ClientAuthentication: 99,
		}}},
		{Authorization: &connectionv1.AuthorizationSettings_Oauth1{Oauth1: &connectionv1.OAuth1Authorization{SignatureMethod: 99}}},
	} {
		_, err := settings.FromProto(p)
		var failure *token.Failure
		require.ErrorAs(t, err, &failure)
		require.Equal(t, token.ClassConfiguration, failure.Class)
	}
}

func TestFailures(t *testing.T) {
	for _, test := range []struct {
		err    error
		reason token.Reason
	}{
		{rpcerr.New(codes.NotFound, errorsv1.Reason_CONNECTION_NOT_FOUND, "x"), token.ReasonConnectionNotFound},
		{rpcerr.New(codes.FailedPrecondition, errorsv1.Reason_SECRET_UNREADABLE, "x"), token.ReasonSecretUnreadable},
		{rpcerr.New(codes.NotFound, errorsv1.Reason_PROVIDER_NOT_FOUND, "x"), token.ReasonProviderNotFound},
		{rpcerr.New(codes.InvalidArgument, errorsv1.Reason_INVALID_FIELD, "x"), token.ReasonConfiguration},
		{rpcerr.New(codes.Unavailable, errorsv1.Reason_STORE_UNAVAILABLE, "x"), token.ReasonServiceUnavailable},
		{status.Error(codes.DeadlineExceeded, "x"), token.ReasonServiceUnavailable},
		{status.Error(codes.Internal, "x"), token.ReasonInternalFault},
		{status.Error(codes.PermissionDenied, "x"), token.ReasonInternalFault},
	} {
		_, err := settings.New(&conn{err: test.err}).AuthorizationSettings(t.Context(), "projects/p/connections/c")
		var failure *token.Failure
		require.ErrorAs(t, err, &failure)
		require.Equal(t, token.ClassOurs, failure.Class)
		require.Equal(t, test.reason, failure.Reason, test.err)
	}
}
