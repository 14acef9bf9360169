package manifest_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/cmd/freshet/manifest"
	"github.com/freshet-io/freshet/services/connection/connectiontest"
	connectionrpc "github.com/freshet-io/freshet/services/connection/rpc"
	"github.com/freshet-io/freshet/services/internal/page"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

const crmToken = "projects/default/connections/crm/token"

// waiting applies the connection crm again and again, and waits for its token.
type waiting struct {
	*connectiontest.Suite
	clients manifest.Clients
}

func newWaiting(t *testing.T) *waiting {
	t.Helper()
	suite := connectiontest.NewSuite(t, sqltest.Open(t, sqldb.SQLite, connectiontest.Migrations()))
	connectiontest.Start(t, suite.Service)
	server := connectiontest.Serve(t, func(r grpc.ServiceRegistrar) {
		connectionrpc.Register(r, suite.Service, connectionrpc.Options{Pages: page.NewCodec(make([]byte, 32)), Catalog: suite.Catalog})
	})
	return &waiting{Suite: suite, clients: manifest.Clients{Connection: connectionv1.NewConnectionServiceClient(server.AsAdmin(t))}}
}

// apply starts to apply the connection with a secret. The channel gets the outcome.
func (w *waiting) apply(t *testing.T, secret string, wait time.Duration) <-chan error {
	t.Helper()
	objects, err := manifest.Parse(strings.NewReader(`
kind: Connection
id: crm
oauth2: {grantType: CLIENT_CREDENTIALS, tokenEndpoint: "https://as.example/token", clientId: shop, clientSecret: `+secret+`}
`), options())
	require.NoError(t, err)
	outcome := make(chan error, 1)
	go func() {
		_, err := manifest.Apply(context.WithoutCancel(t.Context()), w.clients, objects, manifest.Options{Wait: wait})
		outcome <- err
	}()
	return outcome
}

// TestWaitEndsWithAttempts: what ends attempts ends waiting, also while the former token is in use; what does not is told when time is up.
func TestWaitEndsWithAttempts(t *testing.T) {
	w := newWaiting(t)
	const long = time.Hour
	first := w.apply(t, "s3cret-1", long)
	w.Tokens.Await(t, crmToken, 1)
	w.Tokens.Report(crmToken, tokenv1.Token_AUTHORIZED, 0, "")
	require.NoError(t, <-first)

	wrong := w.apply(t, "s3cret-2", long)
	w.Tokens.Await(t, crmToken, 2)
	w.Tokens.ReportWanted(crmToken, 1, errorsv1.Reason_NOT_SENT, "connection refused") // attempts go on
	w.Tokens.ReportWanted(crmToken, 1, errorsv1.Reason_CLIENT_BROKEN, "invalid_client: no such secret")
	err := <-wrong
	require.ErrorIs(t, err, manifest.ErrNotAuthorized)
	require.ErrorContains(t, err, "it is UPDATING, CLIENT_BROKEN: invalid_client: no such secret")

	// To apply the same again changes nothing, and says the same at once.
	err = <-w.apply(t, "s3cret-2", long)
	require.ErrorContains(t, err, "it is UPDATING, CLIENT_BROKEN: invalid_client: no such secret")

	unreachable := w.apply(t, "s3cret-3", time.Second)
	w.Tokens.Await(t, crmToken, 3)
	w.Tokens.ReportWanted(crmToken, 1, errorsv1.Reason_NOT_SENT, "connection refused")
	err = <-unreachable
	require.ErrorIs(t, err, manifest.ErrNotAuthorized)
	require.ErrorContains(t, err, "in time: it is UPDATING, NOT_SENT: connection refused")

	right := w.apply(t, "s3cret-4", long)
	w.Tokens.Await(t, crmToken, 4)
	w.Tokens.Report(crmToken, tokenv1.Token_AUTHORIZED, 0, "")
	require.NoError(t, <-right)
}
