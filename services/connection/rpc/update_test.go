package rpc_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
)

func (f *fixture) update(t *testing.T, c *connectionv1.Connection, paths ...string) (*connectionv1.Connection, error) {
	t.Helper()
	return f.updateNamed(t, crm, c, paths...)
}

func (f *fixture) updateNamed(t *testing.T, name string, c *connectionv1.Connection, paths ...string) (*connectionv1.Connection, error) {
	t.Helper()
	c.Name = name
	r, err := f.api.UpdateConnection(t.Context(), &connectionv1.UpdateConnectionRequest{
		Connection: c, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths},
	})
	return r.GetConnection(), err
}

func ofOAuth2(a *connectionv1.OAuth2Authorization) *connectionv1.Connection {
	return &connectionv1.Connection{Authorization: &connectionv1.Connection_Oauth2{Oauth2: a}}
}

// TestUpdate shows for each form of an update what the token service then gets.
func TestUpdate(t *testing.T) {
	for name, tc := range map[string]struct {
		send  *connectionv1.Connection
		paths []string
		want  func(description *string, s *connectionv1.AuthorizationSettings)
	}{
		"one field by mask": {
			send: ofOAuth2(&connectionv1.OAuth2Authorization{ClientSecret: "new", ClientId: "ignored"}), paths: []string{"oauth2.client_secret"},
			want: func(_ *string, s *connectionv1.AuthorizationSettings) { s.GetOauth2().ClientSecret = "new" },
		},
		"one field without mask": {
			send: ofOAuth2(&connectionv1.OAuth2Authorization{ClientSecret: "new"}),
			want: func(_ *string, s *connectionv1.AuthorizationSettings) { s.GetOauth2().ClientSecret = "new" },
		},
		"clear by mask": {
			send: &connectionv1.Connection{}, paths: []string{"oauth2.audience", "oauth2.scopes", "description", "oauth2.token_parameters.query"},
			want: func(d *string, s *connectionv1.AuthorizationSettings) {
				*d = ""
				s.GetOauth2().Audience, s.GetOauth2().Scopes, s.GetOauth2().GetTokenParameters().Query = "", nil, nil
			},
		},
		"a secret sent empty is kept": {
			send: &connectionv1.Connection{}, paths: []string{"oauth2.client_secret"},
			want: func(*string, *connectionv1.AuthorizationSettings) {},
		},
		"a whole message": {
			send: ofOAuth2(&connectionv1.OAuth2Authorization{
				GrantType: connectionv1.OAuth2Authorization_CLIENT_CREDENTIALS, TokenEndpoint: "https://new.example/token", ClientId: "new",
				RefreshPolicy: &connectionv1.RefreshPolicy{RefreshBefore: durationpb.New(time.Minute)},
			}), paths: []string{"oauth2"},
			want: func(_ *string, s *connectionv1.AuthorizationSettings) {
				s.Authorization = &connectionv1.AuthorizationSettings_Oauth2{Oauth2: &connectionv1.OAuth2Authorization{
					GrantType: connectionv1.OAuth2Authorization_CLIENT_CREDENTIALS, TokenEndpoint: "https://new.example/token", ClientId: "new",
					ClientSecret: canary + "client", ClientAuthentication: connectionv1.OAuth2Authorization_CLIENT_SECRET_BASIC,
					RefreshPolicy: &connectionv1.RefreshPolicy{RefreshBefore: durationpb.New(time.Minute)},
				}}
			},
		},
		"a duration is a value": {
			send:  ofOAuth2(&connectionv1.OAuth2Authorization{RefreshPolicy: &connectionv1.RefreshPolicy{DefaultLifetime: durationpb.New(time.Hour)}}),
			paths: []string{"oauth2.refresh_policy.default_lifetime"},
			want: func(_ *string, s *connectionv1.AuthorizationSettings) {
				s.GetOauth2().RefreshPolicy = &connectionv1.RefreshPolicy{DefaultLifetime: durationpb.New(time.Hour)}
			},
		},
		"a list is replaced, secrets of the same key are kept": {
			send: &connectionv1.Connection{InvocationParameters: &connectionv1.HttpParameters{Headers: []*connectionv1.HttpParameter{
				{Key: "new", Value: "n"}, {Key: "H-Secret", Secret: true},
			}}},
			want: func(_ *string, s *connectionv1.AuthorizationSettings) {
				s.GetInvocationParameters().Headers = []*connectionv1.HttpParameter{
					{Key: "new", Value: "n"}, {Key: "H-Secret", Value: canary + "h", Secret: true},
				}
			},
		},
		"everything": {
			send: func() *connectionv1.Connection {
				c := oauth2()
				c.InvocationParameters, c.Description, c.GetOauth2().ClientSecret = nil, "", ""
				return c
			}(), paths: []string{"*"},
			want: func(d *string, s *connectionv1.AuthorizationSettings) {
				*d = ""
				s.InvocationParameters = nil
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			created := f.create(t, "crm", oauth2())
			want, description := f.settings(t, crm), created.GetDescription()
			before := proto.CloneOf(want)
			tc.want(&description, want)
			updated, err := f.update(t, tc.send, tc.paths...)
			require.NoError(t, err)
			require.True(t, proto.Equal(updated, f.get(t, crm)))
			require.Equal(t, description, updated.GetDescription())
			if proto.Equal(before, want) {
				require.Equal(t, created.GetEtag() == updated.GetEtag(), created.GetDescription() == description)
			} else {
				want.Revision++
				require.Equal(t, connectionv1.Connection_UPDATING, updated.GetState())
			}
			got := f.settings(t, crm)
			require.True(t, proto.Equal(want, got), "want %v\ngot  %v", want.GetOauth2(), got.GetOauth2())
		})
	}
}

// TestReadThenWrite sends back what was read, the way a REST client does: with a mask of all that is in it, output fields included.
func TestReadThenWrite(t *testing.T) {
	f := newFixture(t)
	f.create(t, "crm", oauth2())
	before := f.settings(t, crm)
	read := f.get(t, crm)
	updated, err := f.update(t, proto.CloneOf(read), "name", "uid", "description", "oauth2.grant_type", "oauth2.token_endpoint", "oauth2.client_id",
		"oauth2.scopes", "oauth2.audience", "oauth2.token_parameters.headers", "oauth2.token_parameters.body", "oauth2.token_parameters.query",
		"invocation_parameters.headers", "state", "state_reason", "create_time", "update_time", "etag")
	require.NoError(t, err)
	require.True(t, proto.Equal(read, updated))
	require.True(t, proto.Equal(before, f.settings(t, crm)))

	updated, err = f.update(t, proto.CloneOf(read))
	require.NoError(t, err)
	require.True(t, proto.Equal(read, updated))
	updated, err = f.update(t, &connectionv1.Connection{Etag: read.GetEtag()}, "etag", "name")
	require.NoError(t, err)
	require.True(t, proto.Equal(read, updated))
}

func TestUpdateErrors(t *testing.T) {
	f := newFixture(t)
	f.create(t, "crm", oauth2())
	before := f.get(t, crm)
	for path, says := range map[string]string{
		"nonsense": "names no field", "oauth2.nonsense": "names no field", "oauth2.scopes.x": "names no field", "": "names no field",
		"invocation_parameters.headers.key": "inside a list", "oauth2.client_id.x": "names no field",
		"state": "cannot be changed", "uid": "cannot be changed", "basic": "another kind", "api_key.value": "another kind",
	} {
		_, err := f.update(t, &connectionv1.Connection{Description: "x"}, path)
		requireField(t, err, errorsv1.Reason_INVALID_UPDATE_MASK, "update_mask", says)
	}
	_, err := f.update(t, basic())
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "connection.basic", "kind of a connection cannot change")
	_, err = f.update(t, basic(), "*")
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "connection.basic", "kind of a connection cannot change")

	// The contract's rules hold for the merged connection.
	_, err = f.update(t, &connectionv1.Connection{}, "oauth2.token_endpoint")
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "connection.oauth2.token_endpoint", "is required without oauth2.provider")
	_, err = f.update(t, &connectionv1.Connection{}, "oauth2")
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "connection.authorization", "")
	_, err = f.update(t, ofOAuth2(&connectionv1.OAuth2Authorization{Scopes: []string{"a b"}}))
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "connection.oauth2.scopes[0]", "")
	_, err = f.update(t, ofOAuth2(&connectionv1.OAuth2Authorization{TokenEndpoint: "https://10.0.0.1/token"}))
	requireField(t, err, errorsv1.Reason_EGRESS_DENIED, "connection.oauth2.token_endpoint", "10.0.0.1")
	_, err = f.update(t, &connectionv1.Connection{InvocationParameters: &connectionv1.HttpParameters{
		Query: []*connectionv1.HttpParameter{{Key: "fresh", Secret: true}},
	}})
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "connection.invocation_parameters.query[0].value", "required")
	_, err = f.update(t, &connectionv1.Connection{InvocationParameters: &connectionv1.HttpParameters{
		Query: []*connectionv1.HttpParameter{{Key: "q-secret"}},
	}})
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "connection.invocation_parameters.query[0].value", "secret and stays so")

	_, err = f.api.UpdateConnection(t.Context(), &connectionv1.UpdateConnectionRequest{Connection: &connectionv1.Connection{Name: "crm"}})
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "connection.name", "projects/{project}/connections/{connection}")
	_, err = f.api.UpdateConnection(t.Context(), &connectionv1.UpdateConnectionRequest{})
	requireError(t, err, codes.InvalidArgument, errorsv1.Reason_INVALID_FIELD)
	require.True(t, proto.Equal(before, f.get(t, crm)))
}
