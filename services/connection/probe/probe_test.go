package probe_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/connectiontest"
	"github.com/freshet-io/freshet/services/connection/probe"
	"github.com/freshet-io/freshet/services/connection/tokens"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/egress"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// requireSteps runs a test of c and compares the outcomes, in the order of the steps: O for OK, F for FAILED, - for SKIPPED. It returns the
// step that failed.
func requireSteps(t *testing.T, p *probe.Probe, c connection.Connection, want string) connection.Step {
	t.Helper()
	steps, err := p.Run(t.Context(), c)
	require.NoError(t, err)
	var got strings.Builder
	var failed connection.Step
	for i, step := range steps {
		require.Equal(t, []connection.StepKind{
			connection.StepSettings, connection.StepEgress, connection.StepDNS, connection.StepTCP, connection.StepTLS,
			connection.StepTokenRequest, connection.StepTokenResponse,
		}[i], step.Kind)
		require.NotEmpty(t, step.Message)
		require.NotContains(t, step.Message, "canary")
		switch step.Outcome {
		case connection.OutcomeOK:
			got.WriteString("O")
		case connection.OutcomeFailed:
			got.WriteString("F")
			failed = step
		case connection.OutcomeSkipped:
			got.WriteString("-")
		}
		require.Equal(t, step.Outcome == connection.OutcomeFailed, step.Reason != "")
	}
	require.Equal(t, want, got.String(), "%+v", steps)
	return failed
}

func requireFailure(t *testing.T, step connection.Step, reason connection.Reason, says string) {
	t.Helper()
	require.Equal(t, reason, step.Reason, step.Message)
	require.Contains(t, step.Message, says)
}

// port of a URL such as https://127.0.0.1:1234.
func port(t *testing.T, server string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(strings.SplitAfterN(server, "//", 2)[1])
	require.NoError(t, err)
	return port
}

func TestGoodServer(t *testing.T) {
	t.Parallel()
	server := newAuthorizationServer(t, true)
	p := newProbe(t, newGuard(t, server, false, map[string][]string{"example.com": {"127.0.0.1", "10.0.0.1"}}))
	requireSteps(t, p, calling(server.URL+"/token", goodSecret), "OOOOOOO")

	steps, err := p.Run(t.Context(), calling("https://example.com:"+port(t, server.URL)+"/token", goodSecret))
	require.NoError(t, err)
	for i, says := range []string{
		"complete", "example.com", "127.0.0.1; other addresses may not be called", "connected to 127.0.0.1",
		"TLS 1.3, certificate of example.com", "HTTP status 200", "type Bearer, valid for 1h0m0s, with the scopes a b",
	} {
		require.Contains(t, steps[i].Message, says)
	}
	require.Positive(t, steps[5].Duration)
}

func TestRefusedToken(t *testing.T) {
	t.Parallel()
	server := newAuthorizationServer(t, true)
	p := newProbe(t, newGuard(t, server, false, nil))
	requireFailure(t, requireSteps(t, p, calling(server.URL+"/token", wrongSecret), "OOOOOOF"), "CLIENT_BROKEN", "invalid_client")
	requireFailure(t, requireSteps(t, p, calling(server.URL+"/", goodSecret), "OOOOOOF"), "CONFIGURATION", "text/html")
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	server := newAuthorizationServer(t, false)
	requireSteps(t, newProbe(t, newGuard(t, server, true, nil)), calling(server.URL+"/token", goodSecret), "OOOO-OO")
	requireFailure(t, requireSteps(t, newProbe(t, newGuard(t, server, false, nil)), calling(server.URL+"/token", goodSecret), "OF-----"),
		"EGRESS_DENIED", "egress.allow_http")
	asTLS := strings.Replace(server.URL, "http://", "https://", 1)
	requireFailure(t, requireSteps(t, newProbe(t, newGuard(t, server, true, nil)), calling(asTLS, goodSecret), "OOOOF--"),
		"NOT_SENT", "does not speak TLS")
}

func TestBadCertificates(t *testing.T) {
	t.Parallel()
	server := newAuthorizationServer(t, true)
	untrusting := newProbe(t, newGuard(t, nil, false, nil))
	requireFailure(t, requireSteps(t, untrusting, calling(server.URL+"/token", goodSecret), "OOOOF--"), "NOT_SENT", "authority")

	p := newProbe(t, newGuard(t, server, false, map[string][]string{"as.test": {"127.0.0.1"}}))
	requireFailure(t, requireSteps(t, p, calling("https://as.test:"+port(t, server.URL)+"/token", goodSecret), "OOOOF--"),
		"NOT_SENT", "another name")
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed := listener.Addr().String()
	require.NoError(t, listener.Close())
	p := newProbe(t, newGuard(t, nil, false, map[string][]string{"private.test": {"10.0.0.1"}, "empty.test": {}}))
	requireFailure(t, requireSteps(t, p, calling("https://"+closed+"/token", goodSecret), "OOOF---"), "NOT_SENT", "refused")
	requireFailure(t, requireSteps(t, p, calling("https://unknown.test/token", goodSecret), "OOF----"), "NOT_SENT", "does not exist")
	requireFailure(t, requireSteps(t, p, calling("https://empty.test/token", goodSecret), "OOF----"), "NOT_SENT", "empty.test")
	requireFailure(t, requireSteps(t, p, calling("https://private.test/token", goodSecret), "OOF----"), "EGRESS_DENIED", "10.0.0.1 is not public")
	requireFailure(t, requireSteps(t, p, calling("https://10.0.0.1/token", goodSecret), "OF-----"), "EGRESS_DENIED", "10.0.0.1 is not public")
}

func TestSettings(t *testing.T) {
	t.Parallel()
	p := newProbe(t, newGuard(t, nil, false, nil))
	requireFailure(t, requireSteps(t, p, calling("https://as.test/token", ""), "F------"), "INVALID_FIELD", "oauth2.client_secret")

	key := connection.Connection{Settings: connection.Settings{
		Kind: connection.KindAPIKey, APIKey: connection.APIKey{Name: "x-api-key", Value: seal.NewSecret("canary")},
	}}
	requireSteps(t, p, key, "O------")
	key.Settings.APIKey.Value = seal.Secret{}
	requireFailure(t, requireSteps(t, p, key, "F------"), "INVALID_FIELD", "api_key.value")
}

func TestTokenServiceDown(t *testing.T) {
	t.Parallel()
	server := newAuthorizationServer(t, true)
	down := connectiontest.Serve(t, func(r grpc.ServiceRegistrar) {
		tokenv1.RegisterTokenInternalServiceServer(r, &connectiontest.TokenService{})
	})
	p := probe.New(newGuard(t, server, false, nil), tokens.New(down.As(t, authn.ServiceConnection)))
	requireFailure(t, requireSteps(t, p, calling(server.URL+"/token", goodSecret), "OOOOOF-"), "SERVICE_UNAVAILABLE", "token service")
}

// TestRequestNotSent is an endpoint that the probe reaches and the token service does not.
func TestRequestNotSent(t *testing.T) {
	t.Parallel()
	server := newAuthorizationServer(t, true)
	blind := &connectiontest.TokenService{Try: func(ctx context.Context, req *tokenv1.TryAuthorizationRequest) (*tokenv1.TryAuthorizationResponse, error) {
		return request(ctx, egress.NewGuard(egress.Policy{}, egress.Options{}).Client(), req)
	}}
	there := connectiontest.Serve(t, func(r grpc.ServiceRegistrar) { tokenv1.RegisterTokenInternalServiceServer(r, blind) })
	p := probe.New(newGuard(t, server, false, nil), tokens.New(there.As(t, authn.ServiceConnection)))
	requireFailure(t, requireSteps(t, p, calling(server.URL+"/token", goodSecret), "OOOOOF-"), "NOT_SENT", "not public")
}

func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := newProbe(t, newGuard(t, nil, false, nil)).Run(ctx, calling("https://as.test/token", goodSecret))
	require.ErrorIs(t, err, context.Canceled)
}
