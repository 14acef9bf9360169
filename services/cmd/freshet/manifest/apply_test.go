package manifest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/cmd/freshet/manifest"
	"github.com/freshet-io/freshet/services/connection/connectiontest"
	connectionrpc "github.com/freshet-io/freshet/services/connection/rpc"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/page"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Wrap(m)) }

// TestApplyRotatesASecret has two client secrets for a while, and then one again.
func TestApplyRotatesASecret(t *testing.T) {
	suite := connectiontest.NewSuite(t, sqltest.Open(t, sqldb.SQLite, connectiontest.Migrations()))
	server := connectiontest.Serve(t, func(r grpc.ServiceRegistrar) {
		connectionrpc.Register(r, suite.Service, connectionrpc.Options{Pages: page.NewCodec(make([]byte, 32)), Catalog: suite.Catalog})
	})
	clients := manifest.Clients{Connection: connectionv1.NewConnectionServiceClient(server.AsAdmin(t))}
	internal := connectionv1.NewConnectionInternalServiceClient(server.As(t, authn.ServiceToken))
	apply := func(secrets, want string) *connectionv1.OAuth2Authorization {
		t.Helper()
		objects, err := manifest.Parse(strings.NewReader(`
kind: Connection
id: crm
oauth2: {grantType: CLIENT_CREDENTIALS, tokenEndpoint: "https://as.example/token", clientId: shop, `+secrets+`}
`), options())
		require.NoError(t, err)
		report, err := manifest.Apply(t.Context(), clients, objects, manifest.Options{})
		require.NoError(t, err)
		var fields []string
		for _, field := range report.Changes[0].Fields {
			if strings.HasPrefix(field.New, "(") {
				fields = append(fields, field.Path+" "+field.New)
			}
		}
		require.Equal(t, want, string(report.Changes[0].Action)+": "+strings.Join(fields, ", "))
		settings, err := internal.GetAuthorizationSettings(t.Context(),
			&connectionv1.GetAuthorizationSettingsRequest{Name: objects[0].Name})
		require.NoError(t, err)
		return settings.GetSettings().GetOauth2()
	}
	const (
		sent  = "oauth2.clientSecret (write-only, sent)"
		both  = sent + ", oauth2.alternateClientSecret (write-only, sent)"
		first = "clientSecret: s3cret-1"
	)
	apply(first, "create: "+sent)
	stored := apply(first+", alternateClientSecret: s3cret-2", "update: "+both)
	require.Equal(t, "s3cret-1", stored.GetClientSecret())
	require.Equal(t, "s3cret-2", stored.GetAlternateClientSecret())
	apply(first+", alternateClientSecret: s3cret-2", "unchanged: ")

	// Not to declare it keeps it: it may have been given by other means.
	require.Equal(t, "s3cret-2", apply(first, "unchanged: ").GetAlternateClientSecret())

	const second = `clientSecret: s3cret-2, alternateClientSecret: ""`
	stored = apply(second, "update: "+sent+", oauth2.alternateClientSecret (write-only, empty)")
	require.Equal(t, "s3cret-2", stored.GetClientSecret())
	require.Empty(t, stored.GetAlternateClientSecret())
	apply(second, "unchanged: ")
	require.Equal(t, "s3cret-2", apply(`clientSecret: ""`, "unchanged: ").GetClientSecret(), "a required secret cannot be removed")
}
