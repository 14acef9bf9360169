package rpc_test

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
)

// secretPaths calls visit with every write-only field of m that is set, or that is there at all.
func secretPaths(m protoreflect.Message, prefix string, set bool, visit func(path, value string)) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		behaviors, _ := proto.GetExtension(field.Options(), annotations.E_FieldBehavior).([]annotations.FieldBehavior)
		for _, behavior := range behaviors {
			if behavior == annotations.FieldBehavior_INPUT_ONLY && (!set || m.Has(field)) {
				visit(prefix+string(field.Name()), m.Get(field).String())
			}
		}
		if field.Message() != nil && !field.IsList() && !field.IsMap() && (!set || m.Has(field)) {
			secretPaths(m.Get(field).Message(), prefix+string(field.Name())+".", set, visit)
		}
	}
}

// TestEverySecretIsTested guards the other tests: a secret that the contract gets must be in their connections.
func TestEverySecretIsTested(t *testing.T) {
	t.Parallel()
	missing := make(map[string]bool)
	secretPaths((&connectionv1.Connection{}).ProtoReflect(), "", false, func(path, _ string) { missing[path] = true })
	require.Len(t, missing, 14)
	for _, c := range kinds(t) {
		secretPaths(c.ProtoReflect(), "", true, func(path, value string) {
			require.Contains(t, value, canary, path)
			delete(missing, path)
		})
	}
	require.Empty(t, missing)
}

// TestSecretsAreKept updates connections of all kinds in every way in which a secret can be sent empty.
func TestSecretsAreKept(t *testing.T) {
	f := newFixture(t)
	for id, sent := range kinds(t) {
		created := f.create(t, id, sent)
		before := f.settings(t, created.GetName())
		update := func(c *connectionv1.Connection, paths ...string) *connectionv1.Connection {
			t.Helper()
			updated, err := f.updateNamed(t, created.GetName(), c, paths...)
			require.NoError(t, err)
			return updated
		}
		of := sent.ProtoReflect()
		kind := string(of.WhichOneof(of.Descriptor().Oneofs().ByName("authorization")).Name())
		read := f.get(t, created.GetName())
		for _, unchanged := range []*connectionv1.Connection{
			update(proto.CloneOf(read)), update(proto.CloneOf(read), "*"), update(proto.CloneOf(read), kind), update(proto.CloneOf(sent)),
		} {
			require.True(t, proto.Equal(read, unchanged), "%v", unchanged)
		}
		require.True(t, proto.Equal(before, f.settings(t, created.GetName())))

		renamed := update(&connectionv1.Connection{Description: "renamed"})
		require.NotEqual(t, created.GetEtag(), renamed.GetEtag())
		require.True(t, proto.Equal(before, f.settings(t, created.GetName())), "a description is nothing to authorize anew for")
	}
}

// TestRemoveSecret names the fields of secrets and leaves them empty: what is required stays, the rest goes.
func TestRemoveSecret(t *testing.T) {
	f := newFixture(t)
	optional := map[string]bool{
		"oauth2.alternate_client_secret": true, "oauth2.authorization_code.code_verifier": true, "oauth2.token_exchange.actor_token": true,
	}
	removed := make(map[string]bool)
	for id, sent := range kinds(t) {
		created := f.create(t, id, sent)
		secretPaths(sent.ProtoReflect(), "", true, func(path, _ string) {
			paths := []string{path}
			if path == "oauth2.token_exchange.actor_token" {
				_, err := f.updateNamed(t, created.GetName(), &connectionv1.Connection{}, path)
				requireField(t, err, errorsv1.Reason_INVALID_FIELD, "connection.oauth2.token_exchange.actor_token_type", "without an actor token")
				paths = append(paths, path+"_type")
			}
			before := f.settings(t, created.GetName())
			updated, err := f.updateNamed(t, created.GetName(), &connectionv1.Connection{}, paths...)
			require.NoError(t, err, path)
			after := f.settings(t, created.GetName())
			if !optional[path] {
				require.True(t, proto.Equal(before, after), path)
				return
			}
			removed[path] = true
			require.Equal(t, connectionv1.Connection_UPDATING, updated.GetState())
			require.Equal(t, before.GetRevision()+1, after.GetRevision())
			secretPaths(after.ProtoReflect(), "", true, func(left, _ string) { require.NotEqual(t, path, left) })

			// Once more there is nothing left to remove.
			again, err := f.updateNamed(t, created.GetName(), &connectionv1.Connection{}, paths...)
			require.NoError(t, err)
			require.True(t, proto.Equal(updated, again))
		})
	}
	require.True(t, maps.Equal(optional, removed))
}

// TestRotateClientSecret is the whole way from one secret to the next, without a gap.
func TestRotateClientSecret(t *testing.T) {
	f := newFixture(t)
	f.create(t, "crm", oauth2())
	_, err := f.update(t, ofOAuth2(&connectionv1.OAuth2Authorization{AlternateClientSecret: "new"}))
	require.NoError(t, err)
	require.Equal(t, canary+"client", f.settings(t, crm).GetOauth2().GetClientSecret())
	require.Equal(t, "new", f.settings(t, crm).GetOauth2().GetAlternateClientSecret())
	_, err = f.update(t, ofOAuth2(&connectionv1.OAuth2Authorization{ClientSecret: "new"}), "oauth2.client_secret", "oauth2.alternate_client_secret")
	require.NoError(t, err)
	require.Equal(t, "new", f.settings(t, crm).GetOauth2().GetClientSecret())
	require.Empty(t, f.settings(t, crm).GetOauth2().GetAlternateClientSecret())
}

// TestChangeOfClientAuthentication forgets the secrets of the former one.
func TestChangeOfClientAuthentication(t *testing.T) {
	f := newFixture(t)
	f.create(t, "crm", oauth2())
	key := grants(t)["jwt"].GetOauth2().GetSigningKey()
	change := &connectionv1.OAuth2Authorization{
		ClientAuthentication: connectionv1.OAuth2Authorization_PRIVATE_KEY_JWT, SigningKey: key,
	}
	_, err := f.update(t, ofOAuth2(&connectionv1.OAuth2Authorization{ClientAuthentication: connectionv1.OAuth2Authorization_PRIVATE_KEY_JWT}))
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "connection.oauth2.signing_key.private_key", "required for PRIVATE_KEY_JWT")
	_, err = f.update(t, ofOAuth2(change))
	require.NoError(t, err)
	settings := f.settings(t, crm).GetOauth2()
	require.Equal(t, key.GetPrivateKey(), settings.GetSigningKey().GetPrivateKey())
	require.Empty(t, settings.GetClientSecret())

	_, err = f.update(t, ofOAuth2(&connectionv1.OAuth2Authorization{ClientAuthentication: connectionv1.OAuth2Authorization_NONE}))
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "connection.oauth2.signing_key", "must be empty")
	_, err = f.update(t, ofOAuth2(&connectionv1.OAuth2Authorization{ClientAuthentication: connectionv1.OAuth2Authorization_NONE}),
		"oauth2.client_authentication", "oauth2.signing_key", "oauth2.resource_owner.password")
	require.NoError(t, err)
	require.Nil(t, f.settings(t, crm).GetOauth2().GetSigningKey())
}

func TestPasswordGrantIsFlagged(t *testing.T) {
	f := newFixture(t)
	created := f.create(t, "crm", grants(t)["password"])
	require.Contains(t, created.GetStateMessage(), "RFC 9700 section 2.4")
	require.Equal(t, created.GetStateMessage(), f.get(t, crm).GetStateMessage())
}

func TestRulesOfNewFields(t *testing.T) {
	f := newFixture(t)
	try := func(edit func(*connectionv1.OAuth2Authorization)) error {
		c := grants(t)["jwt"]
		edit(c.GetOauth2())
		_, err := f.api.CreateConnection(t.Context(), &connectionv1.CreateConnectionRequest{Parent: parent, ConnectionId: "a", Connection: c})
		return err
	}
	requireField(t, try(func(a *connectionv1.OAuth2Authorization) { a.Assertion.Claims = `{"iss":"x"}` }),
		errorsv1.Reason_INVALID_FIELD, "connection.oauth2.assertion.claims", `"iss"`)
	requireField(t, try(func(a *connectionv1.OAuth2Authorization) { a.SigningKey.Algorithm = connectionv1.SigningKey_RS256 }),
		errorsv1.Reason_INVALID_FIELD, "connection.oauth2.signing_key.private_key", "EDDSA")
	requireField(t, try(func(a *connectionv1.OAuth2Authorization) { a.SigningKey.PrivateKey = canary }),
		errorsv1.Reason_INVALID_FIELD, "connection.oauth2.signing_key.private_key", "JWK")
	requireField(t, try(func(a *connectionv1.OAuth2Authorization) {
		a.ProviderBehavior = &connectionv1.ProviderBehavior{RevocationEndpoint: "https://127.0.0.1/revoke"}
	}), errorsv1.Reason_EGRESS_DENIED, "connection.oauth2.provider_behavior.revocation_endpoint", "127.0.0.1")
	requireField(t, try(func(a *connectionv1.OAuth2Authorization) {
		a.Dialect = &connectionv1.TokenEndpointDialect{RefreshEndpoint: "ftp://as.example/"}
	}), errorsv1.Reason_EGRESS_DENIED, "connection.oauth2.dialect.refresh_endpoint", "")
	requireError(t, try(func(a *connectionv1.OAuth2Authorization) { a.GrantType = 99 }), codes.InvalidArgument, errorsv1.Reason_INVALID_FIELD)
	require.NoError(t, try(func(*connectionv1.OAuth2Authorization) {}))
}
