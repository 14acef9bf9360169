package oauth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/oauth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	clientID     = "crm:1"
	clientSecret = "s3cr3t/+&of the=client"
)

// errDenied is what the transport of these tests says of addresses that may not be reached.
var errDenied = errors.New("address denied")

func newClient(t *testing.T, transport http.RoundTripper) *oauth.Client {
	t.Helper()
	client, err := oauth.New(oauth.Config{
		HTTP:   &http.Client{Transport: transport},
		Denied: func(err error) bool { return errors.Is(err, errDenied) },
	})
	require.NoError(t, err)
	return client
}

// world is an authorization server on a real connection, and a client.
type world struct {
	auth     *authserver.Server
	client   *oauth.Client
	settings token.OAuth2
}

func newWorld(t *testing.T) *world {
	t.Helper()
	auth, err := authserver.New(authserver.Config{
		TokenLifetime: time.Hour,
		Clients:       []authserver.Client{{ID: clientID, Secrets: []string{clientSecret}, Scopes: []string{"read", "write"}}},
	})
	require.NoError(t, err)
	server := httptest.NewServer(auth.Handler())
	t.Cleanup(server.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &world{
		auth: auth, client: newClient(t, transport),
		settings: token.OAuth2{
			TokenEndpoint: server.URL + authserver.PathToken, ClientID: clientID, ClientSecret: seal.NewSecret(clientSecret),
			ClientAuthentication: token.ClientSecretBasic, Scopes: []string{"read", "write"},
		},
	}
}

// obtain makes a request and reads its answer.
func (w *world) obtain(ctx context.Context) (token.Issued, error) {
	answer, err := w.client.Exchange(ctx, w.settings)
	if err != nil {
		return token.Issued{}, err
	}
	return w.client.Read(answer, w.settings)
}

func failureOf(t *testing.T, err error) *token.Failure {
	t.Helper()
	var failure *token.Failure
	require.ErrorAs(t, err, &failure)
	require.Equal(t, failure.Class != token.ClassConfiguration || failure.Reason != token.ReasonEgressDenied, string(failure.Class) == string(failure.Reason))
	require.NotContains(t, failure.Message, clientSecret)
	require.LessOrEqual(t, len(failure.Message), token.MaxMessage)
	require.False(t, failure.Time.IsZero())
	return failure
}

func field(key, value string) token.Field { return token.Field{Key: key, Value: seal.NewSecret(value)} }
