package rehearse_test

import (
	"bytes"
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/sdk/tokensource"
	"github.com/freshet-io/freshet/services/app"
	"github.com/freshet-io/freshet/services/cmd/freshet/rehearse"
	"github.com/freshet-io/freshet/services/demo/authserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const crm = "projects/default/connections/crm/token"

// stage is a running suite with one connection to an authorization server.
type stage struct {
	auth    *authserver.Server
	clients rehearse.Clients
	url     string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	auth, err := authserver.New(authserver.Config{
		TokenLifetime: time.Hour, Clients: []authserver.Client{{ID: "shop", Secrets: []string{"secret"}}},
		Refresh: authserver.RefreshPolicy{Rotation: authserver.SingleUse},
	})
	require.NoError(t, err)
	server := httptest.NewServer(auth.Handler())
	t.Cleanup(server.Close)

	config, err := app.DefaultConfig()
	require.NoError(t, err)
	config.DataDir, config.HTTPAddr, config.GRPCAddr = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0"
	config.Egress.Allow, config.Egress.AllowHTTP = []string{"loopback"}, true
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ready, done := make(chan app.Addrs, 1), make(chan error, 1)
	var log bytes.Buffer
	go func() {
		done <- app.Run(ctx, config, app.Options{LogOutput: &log, Ready: func(a app.Addrs) { ready <- a }})
	}()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	addrs := <-ready
	conn, err := tokensource.Dial(addrs.GRPC, tokensource.KeyFile(addrs.AdminKeyFile))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &stage{auth: auth, clients: clients(conn), url: server.URL}
}

func clients(conn grpc.ClientConnInterface) rehearse.Clients {
	return rehearse.Clients{
		Connections: connectionv1.NewConnectionServiceClient(conn), Providers: connectionv1.NewProviderServiceClient(conn),
		Tokens: tokenv1.NewTokenServiceClient(conn), Rehearsals: tokenv1.NewRehearsalServiceClient(conn),
	}
}

// connect creates the connection, imports a refresh token and waits for the first generation.
func (s *stage) connect(t *testing.T, change func(*connectionv1.OAuth2Authorization)) {
	t.Helper()
	refresh, err := s.auth.IssueRefreshToken("shop", "ada")
	require.NoError(t, err)
	oauth2 := &connectionv1.OAuth2Authorization{
		GrantType: connectionv1.OAuth2Authorization_REFRESH_TOKEN, TokenEndpoint: s.url + authserver.PathToken,
		ClientId: "shop", ClientSecret: "secret", RefreshToken: refresh,
	}
	change(oauth2)
	_, err = s.clients.Connections.CreateConnection(t.Context(), &connectionv1.CreateConnectionRequest{
		Parent: "projects/default", ConnectionId: "crm",
		Connection: &connectionv1.Connection{Authorization: &connectionv1.Connection_Oauth2{Oauth2: oauth2}},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stream, err := s.clients.Tokens.WatchToken(ctx, &tokenv1.WatchTokenRequest{Name: crm})
	require.NoError(t, err)
	for {
		message, err := stream.Recv()
		require.NoError(t, err)
		if message.GetToken().GetState() == tokenv1.Token_AUTHORIZED {
			return
		}
	}
}

func (s *stage) token(t *testing.T) *tokenv1.Token {
	t.Helper()
	answer, err := s.clients.Tokens.GetToken(t.Context(), &tokenv1.GetTokenRequest{Name: crm})
	require.NoError(t, err)
	return answer.GetToken()
}

func (s *stage) prepare(t *testing.T, classes ...tokenv1.FailureClass) *rehearse.Plan {
	t.Helper()
	plan, err := rehearse.Prepare(t.Context(), s.clients, rehearse.Options{
		Token: crm, Classes: classes, Window: 4 * time.Second, Patience: 3 * time.Second,
	})
	require.NoError(t, err)
	return plan
}

func noChange(*connectionv1.OAuth2Authorization) {}

// TestConsumersAlwaysHaveAToken rehearses with single-use refresh tokens.
func TestConsumersAlwaysHaveAToken(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.connect(t, noChange)
	require.Equal(t, 8, s.prepare(t).Requests, "every class that fits a refresh token")
	plan := s.prepare(t, tokenv1.FailureClass_THROTTLED, tokenv1.FailureClass_AMBIGUOUS, tokenv1.FailureClass_GRANT_DEAD)
	require.Empty(t, plan.Concerns)

	var told []string
	report, err := plan.Run(t.Context(), func(step rehearse.Step) { told = append(told, step.Name) })
	require.NoError(t, err)
	require.True(t, report.OK(), "%+v", report)
	require.Equal(t, []string{"EXPIRY", "THROTTLED", "AMBIGUOUS", "GRANT_DEAD"}, told)
	for i, step := range report.Steps {
		require.Zero(t, step.Without, step.Name)
		require.Positive(t, step.Lead, step.Name)
		require.Equal(t, step.From+1, step.To, step.Name)
		if i > 0 {
			require.Positive(t, step.Refusals, step.Name)
			require.Contains(t, healths(step), step.Name, "consumers were told")
		}
	}
	require.Equal(t, 5, s.auth.Stats().Requests, "one for each step, besides the first")
	require.Equal(t, tokenv1.Token_EXPIRES_IN, s.token(t).GetExpirySource())
}

// healths are the classes of failures that consumers were shown in a step.
func healths(step rehearse.Step) []string {
	var out []string
	for _, o := range step.Saw {
		out = append(out, o.Failure)
	}
	return out
}

// TestAProviderThatFailsIsTold has the provider refuse the recovery: consumers would be without a token. The token is as good as before all
// the same, because only its expiry was simulated.
func TestAProviderThatFailsIsTold(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.connect(t, func(a *connectionv1.OAuth2Authorization) {
		a.ProviderBehavior = &connectionv1.ProviderBehavior{RotationRecovery: connectionv1.ProviderBehavior_REUSABLE}
	})
	before := s.token(t)
	plan := s.prepare(t, tokenv1.FailureClass_NOT_SENT)
	s.auth.Inject(authserver.Fault{Kind: authserver.FaultStatus, Status: 503})

	report, err := plan.Run(t.Context(), func(rehearse.Step) {})
	require.NoError(t, err)
	require.False(t, report.OK())
	require.Len(t, report.Steps, 1, "what does not recover is not tried again")
	step := report.Steps[0]
	require.InDelta(t, 3*time.Second, time.Duration(step.Without), float64(2*time.Second))
	require.Contains(t, step.Problem, "AMBIGUOUS")
	require.True(t, step.Restored)
	require.True(t, report.Clean)

	after := s.token(t)
	require.Equal(t, tokenv1.Token_AUTHORIZED, after.GetState())
	require.Equal(t, before.GetExpireTime().AsTime(), after.GetExpireTime().AsTime())
	require.Equal(t, before.GetAccessToken(), after.GetAccessToken())
}

func TestAnInterruptedRehearsalLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.connect(t, noChange)
	plan := s.prepare(t, tokenv1.FailureClass_NOT_SENT, tokenv1.FailureClass_GRANT_DEAD)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	report, err := plan.Run(ctx, func(step rehearse.Step) {
		if step.Name == "EXPIRY" {
			time.AfterFunc(500*time.Millisecond, cancel) // within the step that follows
		}
	})
	require.NoError(t, err)
	require.True(t, report.Interrupted)
	require.True(t, report.Clean)
	require.False(t, report.OK())
	token := s.token(t)
	require.Equal(t, tokenv1.Token_AUTHORIZED, token.GetState())
	require.Equal(t, tokenv1.Token_EXPIRES_IN, token.GetExpirySource())
	require.Equal(t, tokenv1.FailureClass_FAILURE_CLASS_UNSPECIFIED, token.GetRefreshHealth().GetLastFailureClass())
}

func TestWhatSpeaksAgainstIt(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.connect(t, func(a *connectionv1.OAuth2Authorization) {
		a.ProviderBehavior = &connectionv1.ProviderBehavior{
			OldAccessToken: connectionv1.ProviderBehavior_KILLED, MintLimit: 10, MintPeriod: durationpb.New(10 * time.Minute),
		}
	})
	plan := s.prepare(t)
	require.Len(t, plan.Concerns, 2)
	require.Contains(t, plan.Concerns[0], "8 of the 10 token requests")
	require.Contains(t, plan.Concerns[1], "consumers that do not watch the token are refused")

	prepare := func(o rehearse.Options) string {
		o.Token = crm
		_, err := rehearse.Prepare(t.Context(), s.clients, o)
		require.Error(t, err)
		require.True(t, rehearse.IsRefused(err), "%v", err)
		return err.Error()
	}
	many := make([]tokenv1.FailureClass, 10)
	for i := range many {
		many[i] = tokenv1.FailureClass_NOT_SENT
	}
	require.Contains(t, prepare(rehearse.Options{Classes: many}), "it takes 11 token requests and the provider allows 10")
	require.Contains(t, prepare(rehearse.Options{Classes: []tokenv1.FailureClass{tokenv1.FailureClass_TOO_EARLY}}), "TOO_EARLY is no failure")
	require.Contains(t, prepare(rehearse.Options{Window: 2 * time.Hour}), "less than the window of 2h0m0s")

	for says, change := range map[string]*connectionv1.OAuth2Authorization{
		"never ahead of expiry":            {RefreshPolicy: &connectionv1.RefreshPolicy{Mode: connectionv1.RefreshPolicy_ON_DEMAND}},
		"refreshes no token younger than ": {ProviderBehavior: &connectionv1.ProviderBehavior{RefreshNotBefore: durationpb.New(time.Minute)}},
	} {
		request := &connectionv1.UpdateConnectionRequest{Connection: &connectionv1.Connection{
			Name: "projects/default/connections/crm", Authorization: &connectionv1.Connection_Oauth2{Oauth2: change},
		}, ValidateOnly: false}
		_, err := s.clients.Connections.UpdateConnection(t.Context(), request)
		require.NoError(t, err)
		text := prepare(rehearse.Options{})
		require.Contains(t, text, says)
		change.RefreshPolicy = &connectionv1.RefreshPolicy{Mode: connectionv1.RefreshPolicy_ALWAYS}
		_, err = s.clients.Connections.UpdateConnection(t.Context(), request)
		require.NoError(t, err)
	}
}
