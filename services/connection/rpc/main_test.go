package rpc_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/connection/connectiontest"
	"github.com/freshet-io/freshet/services/connection/grantjobs"
	"github.com/freshet-io/freshet/services/connection/interfaces"
	"github.com/freshet-io/freshet/services/connection/rpc"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/page"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Wrap(m)) }

const (
	parent = "projects/p"
	crm    = "projects/p/connections/crm"
	gone   = "projects/p/connections/gone"
	// canary is in every secret of these tests.
	canary = "canary-51c0"
)

// fixture is the service behind its gRPC server.
type fixture struct {
	*connectiontest.Suite
	api      connectionv1.ConnectionServiceClient
	internal connectionv1.ConnectionInternalServiceClient
	catalog  connectionv1.ProviderServiceClient
	grants   connectionv1.GrantServiceClient
	jobs     connectionv1.GrantJobServiceClient
	endUsers connectionv1.EndUserServiceClient
	ending   *grantjobs.Service
	kept     connectionv1.InterfaceServiceClient
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	return serve(t, connectiontest.NewSuite(t, sqltest.Open(t, sqldb.SQLite, connectiontest.Migrations())))
}

// serve puts the suite's present service behind a server.
func serve(t *testing.T, s *connectiontest.Suite) *fixture {
	t.Helper()
	ending, err := grantjobs.NewService(grantjobs.Params{Store: s.Store, Grants: s.Service})
	require.NoError(t, err)
	kept, err := interfaces.NewService(interfaces.Params{Store: s.Store, Connections: s.Service})
	require.NoError(t, err)
	server := connectiontest.Serve(t, func(r grpc.ServiceRegistrar) {
		options := rpc.Options{Pages: page.NewCodec(make([]byte, 32)), Catalog: s.Catalog, GrantJobs: ending, Connect: s.Connect}
		rpc.Register(r, s.Service, options)
		rpc.RegisterInterfaces(r, kept, options)
	})
	return &fixture{
		Suite:    s,
		api:      connectionv1.NewConnectionServiceClient(server.AsAdmin(t)),
		catalog:  connectionv1.NewProviderServiceClient(server.AsAdmin(t)),
		grants:   connectionv1.NewGrantServiceClient(server.AsAdmin(t)),
		jobs:     connectionv1.NewGrantJobServiceClient(server.AsAdmin(t)),
		endUsers: connectionv1.NewEndUserServiceClient(server.AsAdmin(t)),
		ending:   ending,
		kept:     connectionv1.NewInterfaceServiceClient(server.AsAdmin(t)),
		internal: connectionv1.NewConnectionInternalServiceClient(server.As(t, authn.ServiceToken)),
	}
}

// oauth2 has a secret in every place where there can be one.
func oauth2() *connectionv1.Connection {
	parameters := func() *connectionv1.HttpParameters {
		list := func(prefix string) []*connectionv1.HttpParameter {
			return []*connectionv1.HttpParameter{
				{Key: prefix + "-open", Value: "open"},
				{Key: prefix + "-secret", Value: canary + prefix, Secret: true},
			}
		}
		return &connectionv1.HttpParameters{Headers: list("h"), Query: list("q"), Body: list("b")}
	}
	return &connectionv1.Connection{
		Description: "CRM",
		Authorization: &connectionv1.Connection_Oauth2{Oauth2: &connectionv1.OAuth2Authorization{
			GrantType: connectionv1.OAuth2Authorization_CLIENT_CREDENTIALS, TokenEndpoint: "https://as.example/token",
			ClientId: "id", ClientSecret: canary + "client", Scopes: []string{"a", "b"}, Audience: "api",
			ClientAuthentication: connectionv1.OAuth2Authorization_CLIENT_SECRET_POST, TokenParameters: parameters(),
		}},
		InvocationParameters: parameters(),
	}
}

// grants are connections of all grants and client authentications, with a secret in every field that takes one.
func grants(t *testing.T) map[string]*connectionv1.Connection {
	t.Helper()
	_, signing, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	key := &connectionv1.SigningKey{PrivateKey: connectiontest.PrivateKey(t, signing, canary+"signing"), KeyId: "k1"}
	certificate := &connectionv1.ClientCertificate{}
	certificate.CertificateChain, certificate.PrivateKey = connectiontest.NewCertificate(t, time.Now().Add(time.Hour), canary+"tls")
	all := map[string]*connectionv1.OAuth2Authorization{
		"two-secrets": {
			GrantType: connectionv1.OAuth2Authorization_CLIENT_CREDENTIALS, ClientSecret: canary + "1", AlternateClientSecret: canary + "2",
			ClientAuthentication: connectionv1.OAuth2Authorization_CLIENT_SECRET_BASIC_RAW,
		},
		"refresh-token": {
			GrantType: connectionv1.OAuth2Authorization_REFRESH_TOKEN, RefreshToken: canary + "refresh", SigningKey: key,
			ClientAuthentication: connectionv1.OAuth2Authorization_PRIVATE_KEY_JWT,
			ProviderBehavior: &connectionv1.ProviderBehavior{
				RotationRecovery: connectionv1.ProviderBehavior_GRACE, RotationGrace: durationpb.New(time.Minute),
			},
		},
		"code": {
			GrantType:            connectionv1.OAuth2Authorization_AUTHORIZATION_CODE,
			ClientAuthentication: connectionv1.OAuth2Authorization_NONE,
			AuthorizationCode: &connectionv1.AuthorizationCode{
				Code: canary + "code", RedirectUri: "https://app.example/", CodeVerifier: canary + "verifier-0123456789012345678901234567890123456789",
			},
		},
		"jwt": {
			GrantType: connectionv1.OAuth2Authorization_JWT_BEARER, ClientAuthentication: connectionv1.OAuth2Authorization_NONE,
			SigningKey: key, Assertion: &connectionv1.JwtAssertion{Subject: "s", Lifetime: durationpb.New(time.Minute), Claims: `{"a":1}`},
		},
		"exchange": {
			GrantType:            connectionv1.OAuth2Authorization_TOKEN_EXCHANGE,
			ClientAuthentication: connectionv1.OAuth2Authorization_TLS_CLIENT_AUTH, ClientCertificate: certificate,
			TokenExchange: &connectionv1.TokenExchange{
				SubjectToken: canary + "subject", ActorToken: canary + "actor", ActorTokenType: "urn:ietf:params:oauth:token-type:jwt",
			},
		},
		"password": {
			GrantType: connectionv1.OAuth2Authorization_PASSWORD, ClientSecret: canary + "client",
			ClientAuthentication: connectionv1.OAuth2Authorization_CLIENT_SECRET_BASIC,
			ResourceOwner:        &connectionv1.ResourceOwner{Username: "user", Password: canary + "password"},
		},
	}
	connections := make(map[string]*connectionv1.Connection, len(all))
	for id, a := range all {
		a.TokenEndpoint, a.ClientId = "https://as.example/token", "id"
		connections[id] = &connectionv1.Connection{Authorization: &connectionv1.Connection_Oauth2{Oauth2: a}}
	}
	return connections
}

func apiKey() *connectionv1.Connection {
	return &connectionv1.Connection{Authorization: &connectionv1.Connection_ApiKey{
		ApiKey: &connectionv1.ApiKeyAuthorization{Name: "x-api-key", Value: canary + "key"},
	}}
}

func basic() *connectionv1.Connection {
	return &connectionv1.Connection{Authorization: &connectionv1.Connection_Basic{
		Basic: &connectionv1.BasicAuthorization{Username: "user", Password: canary + "password"},
	}}
}

func oauth1() *connectionv1.Connection {
	return &connectionv1.Connection{Authorization: &connectionv1.Connection_Oauth1{Oauth1: &connectionv1.OAuth1Authorization{
		ConsumerKey: "consumer", ConsumerSecret: canary + "consumer", Token: "token", TokenSecret: canary + "token",
	}}}
}

// kinds are connections of all kinds and grants.
func kinds(t *testing.T) map[string]*connectionv1.Connection {
	t.Helper()
	all := grants(t)
	all["crm"], all["key"], all["basic"], all["oauth1"] = oauth2(), apiKey(), basic(), oauth1()
	return all
}

func (f *fixture) create(t *testing.T, id string, c *connectionv1.Connection) *connectionv1.Connection {
	t.Helper()
	r, err := f.api.CreateConnection(t.Context(), &connectionv1.CreateConnectionRequest{Parent: parent, ConnectionId: id, Connection: c})
	require.NoError(t, err)
	return r.GetConnection()
}

func (f *fixture) get(t *testing.T, name string) *connectionv1.Connection {
	t.Helper()
	r, err := f.api.GetConnection(t.Context(), &connectionv1.GetConnectionRequest{Name: name})
	require.NoError(t, err)
	return r.GetConnection()
}

// settings is what the token service gets.
func (f *fixture) settings(t *testing.T, name string) *connectionv1.AuthorizationSettings {
	t.Helper()
	r, err := f.internal.GetAuthorizationSettings(t.Context(), &connectionv1.GetAuthorizationSettingsRequest{Name: name})
	require.NoError(t, err)
	return r.GetSettings()
}

func (f *fixture) delete(ctx context.Context, name string) error {
	_, err := f.api.DeleteConnection(ctx, &connectionv1.DeleteConnectionRequest{Name: name})
	return err
}

func requireError(t *testing.T, err error, code codes.Code, reason errorsv1.Reason) {
	t.Helper()
	require.Equal(t, code, status.Code(err), "%v", err)
	require.Equal(t, reason, rpcerr.ReasonOf(err), "%v", err)
	require.NotContains(t, err.Error(), canary)
}

// requireField checks that the error is about one field and says why.
func requireField(t *testing.T, err error, reason errorsv1.Reason, field, says string) {
	t.Helper()
	requireError(t, err, codes.InvalidArgument, reason)
	for _, detail := range status.Convert(err).Details() {
		if bad, ok := detail.(*errdetails.BadRequest); ok {
			require.Len(t, bad.GetFieldViolations(), 1)
			require.Equal(t, field, bad.GetFieldViolations()[0].GetField())
			require.Contains(t, bad.GetFieldViolations()[0].GetDescription(), says)
			return
		}
	}
	require.FailNow(t, "no field is named", "%v", err)
}
