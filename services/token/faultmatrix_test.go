package token_test

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/dpop"
)

// pipes is a listener in memory, so that real HTTP with real connections runs in a synctest bubble.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accepted:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.accepted <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// overPipes puts real HTTP between the suite's service and its authorization server.
func (s *suite) overPipes() {
	listener := &pipes{accepted: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: s.auth.Handler(), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	transport := &http.Transport{DialContext: listener.dial, DialTLSContext: listener.dial, DisableKeepAlives: true}
	s.t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
	})
	s.transport = transport
}

// requestThen does something each time a request was answered.
type requestThen struct {
	http.RoundTripper

	then func()
}

func (r requestThen) RoundTrip(request *http.Request) (*http.Response, error) {
	defer r.then()
	return r.RoundTripper.RoundTrip(request)
}

// trouble is one way a refresh goes wrong.
type trouble struct {
	name  string
	fault authserver.Fault
	then  authserver.Fault // strikes after it
	// proves: tokens are bound to a key; challenges is how often a redemption is refused for want of a nonce.
	proves     bool
	challenges int
	quirks     authserver.Quirks
	// store fails for two minutes: it takes no writes "before" the request would be made, or is out of reach "after" it was answered.
	store   string
	dialect token.Dialect
	// class of the failure; empty: there is none.
	class token.Class
	// ends: no further attempt is made. unknown: the refresh token may have been redeemed. unsent: no request was made.
	ends, unknown, unsent bool
}

func fault(kind authserver.FaultKind) authserver.Fault { return authserver.Fault{Kind: kind, Count: 1} }

func status(code int, retryAfter time.Duration, date bool) authserver.Fault {
	return authserver.Fault{Kind: authserver.FaultStatus, Status: code, RetryAfter: retryAfter, RetryAfterDate: date, Count: 1}
}

// refusal is made once; a client stays refused.
func refusal(code string) authserver.Fault {
	f := authserver.Fault{Kind: authserver.FaultOAuthError, Code: code, Count: 1}
	if code == "invalid_client" || code == "unauthorized_client" {
		f.Count = 0
	}
	return f
}

func troubles() []trouble {
	ambiguous, throttled, config, broken := token.ClassAmbiguous, token.ClassThrottled, token.ClassConfiguration, token.ClassClientBroken
	list := []trouble{
		{name: "delay", fault: authserver.Fault{Kind: authserver.FaultDelay, Delay: 20 * time.Second, Count: 1}},
		{name: "delay beyond the time-out", fault: authserver.Fault{Kind: authserver.FaultDelay, Delay: time.Hour, Count: 1}, class: ambiguous, unknown: true},
		{name: "delay after the commit", fault: authserver.Fault{Kind: authserver.FaultDelayAfterCommit, Delay: time.Hour, Count: 1}, class: ambiguous, unknown: true},
		{name: "429 without Retry-After", fault: status(429, 0, false), class: throttled},
		{name: "429 with seconds", fault: status(429, 90*time.Second, false), class: throttled},
		{name: "429 with a date", fault: status(429, 90*time.Second, true), class: throttled},
		{name: "500", fault: status(500, 0, false), class: ambiguous, unknown: true},
		{name: "502", fault: status(502, 0, false), class: ambiguous, unknown: true},
		{name: "503", fault: status(503, 0, false), class: ambiguous, unknown: true},
		{name: "503 with Retry-After", fault: status(503, time.Minute/4, false), class: throttled},
		{name: "504 with Retry-After", fault: status(504, time.Minute/4, false), class: throttled, unknown: true},
		{name: "404", fault: status(404, 0, false), class: config, ends: true},
		{name: "405", fault: status(405, 0, false), class: config, ends: true},
		{name: "reset before processing", fault: fault(authserver.FaultResetBeforeProcessing), class: ambiguous, unknown: true},
		{name: "reset after the commit", fault: fault(authserver.FaultResetAfterCommit), class: ambiguous, unknown: true},
		{name: "truncated", fault: fault(authserver.FaultTruncatedBody), class: ambiguous, unknown: true},
		{name: "malformed JSON", fault: fault(authserver.FaultMalformedJSON), class: ambiguous, unknown: true},
		{name: "huge body", fault: fault(authserver.FaultHugeBody), class: ambiguous, unknown: true},
		{name: "web page of a captive portal", fault: fault(authserver.FaultHTML), class: config, ends: true, unknown: true},
		{name: "redirect", fault: authserver.Fault{Kind: authserver.FaultRedirect, Location: "https://elsewhere.example/", Count: 1}, class: config, ends: true},
		{name: "wrong content type", fault: fault(authserver.FaultWrongContentType)},
		{name: "expires_in in milliseconds", quirks: authserver.Quirks{ExpiresIn: authserver.ExpiresInMilliseconds}, dialect: token.Dialect{ExpiresInUnit: time.Millisecond}},
		{name: "expires_at", quirks: authserver.Quirks{ExpiresIn: authserver.ExpiresInMissing, ExpiresAt: authserver.ExpiresAtRFC3339}, dialect: token.Dialect{ExpiresAtPath: "expires_at"}},
		{name: "status 201", quirks: authserver.Quirks{Status: http.StatusCreated}},
		{name: "form", quirks: authserver.Quirks{Body: authserver.BodyForm}},
		{name: "store fails before the claim", store: "before"},
		{name: "store fails after the claim", store: "claimed", class: token.ClassOurs, unsent: true},
		{name: "store fails after", store: "after"},
	}
	for _, spelling := range []authserver.ExpiresIn{
		authserver.ExpiresInString, authserver.ExpiresInFloat, authserver.ExpiresInMissing, authserver.ExpiresInNull,
		authserver.ExpiresInZero, authserver.ExpiresInNegative, authserver.ExpiresInText,
	} {
		list = append(list, trouble{name: "expires_in " + string(spelling), quirks: authserver.Quirks{ExpiresIn: spelling}})
	}
	for code, class := range map[string]token.Class{
		"invalid_grant": token.ClassGrantDead, "invalid_client": broken, "unauthorized_client": broken, "invalid_request": config,
		"invalid_scope": config, "unsupported_grant_type": config, "invalid_target": config,
	} {
		list = append(list, trouble{name: code, fault: refusal(code), class: class, ends: true})
	}
	challenge := authserver.Fault{Kind: authserver.FaultNonceChallenge, Redeeming: true, Count: 1}
	twice, reset := challenge, authserver.Fault{Kind: authserver.FaultResetAfterCommit, Redeeming: true, Count: 1}
	twice.Count = 2
	refused := reset
	refused.Kind, refused.Code = authserver.FaultOAuthError, "invalid_grant"
	return append(list,
		trouble{name: "nonce challenge", fault: challenge, proves: true, challenges: 1},
		trouble{name: "nonce challenge twice", fault: twice, proves: true, challenges: 1, class: token.ClassChallenged},
		trouble{name: "nonce challenge, then reset", fault: challenge, then: reset, proves: true, challenges: 1, class: ambiguous, unknown: true},
		trouble{name: "nonce challenge, then invalid_grant", fault: challenge, then: refused, proves: true, challenges: 1, class: token.ClassGrantDead, ends: true},
		trouble{name: "temporarily_unavailable", fault: refusal("temporarily_unavailable"), class: ambiguous, unknown: true},
		trouble{name: "slow_down", fault: refusal("slow_down"), class: throttled})
}

// TestFaultMatrix has every trouble happen once to a scheduled refresh, with every kind of refresh token. In all of them no single-use
// token is redeemed twice, no valid token is thrown away and no expired one is served.
func TestFaultMatrix(t *testing.T) {
	for _, server := range []rotating{reusable, singleUse, withGrace} {
		for _, trouble := range troubles() {
			t.Run(server.name+"/"+trouble.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { trouble.strike(t, server) })
			})
		}
	}
}

func (f *trouble) strike(t *testing.T, server rotating) {
	s := newSuite(t, openSQLite(t), time.Hour)
	s.overPipes()
	s.auth.SetQuirks(f.quirks)
	if f.store == "claimed" {
		server = limited(server)
	}
	with := s.refreshing(1, server)
	with.OAuth2.Dialect = f.dialect
	if f.proves {
		with.OAuth2.DPoP = dpop.ES256
	}
	s.connections.set(crm.ConnectionName(), with)
	p := s.params()
	failing := &outageStore{Store: p.Store}
	p.Store = failing
	svc, stop := s.start(p)
	first := s.authorize(svc, 1)
	stop()
	s.prepare(f, failing, &p)
	svc, stop = s.start(p)
	defer stop()
	watcher := svc.Watch(t.Context())
	defer watcher.Close(t.Context())
	require.NoError(t, watcher.Add(t.Context(), crm))

	time.Sleep(time.Until(first.AttemptAt))
	served := map[int64]bool{}
	for time.Until(first.ExpireTime) > 10*time.Second {
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if failing.down.Load() {
			continue
		}
		got, err := svc.Get(t.Context(), crm, 0)
		require.NoError(t, err, "a valid token is served")
		require.True(t, s.valid(got), "an expired token is not")
		served[got.Generation] = true
	}
	f.check(t, s, svc, server, first)
	f.checkWatched(t, server, watcher, served)
}

// prepare has the trouble happen to the next refresh.
func (s *suite) prepare(f *trouble, failing *outageStore, p *token.Params) {
	if f.fault.Kind != "" {
		s.auth.Inject(f.fault)
	}
	if f.then.Kind != "" {
		s.auth.Inject(f.then)
	}
	struck := false
	strike := func(failing *atomic.Bool) func() {
		return func() {
			if !struck {
				struck = true
				failing.Store(true)
				time.AfterFunc(2*time.Minute, func() { failing.Store(false) })
			}
		}
	}
	switch f.store {
	case "before":
		p.Settings = settingsThen{s.connections, strike(&failing.full)}
	case "claimed":
		p.Store = claimThen{failing, strike(&failing.full)}
	case "after":
		s.transport = requestThen{s.transport, strike(&failing.down)}
		p.Exchanger = s.params().Exchanger
	}
}

// valid reports whether the authorization server takes a token, by its own account.
func (s *suite) valid(t token.Token) bool {
	for _, issued := range s.auth.Issued() {
		if authserver.Fingerprint(t.Credential.AccessToken.Reveal()) == issued.Fingerprint {
			return time.Now().Before(issued.ExpireTime)
		}
	}
	return false
}

// redemptions is how many requests presented a refresh token.
func (s *suite) redemptions() int {
	count := 0
	for _, r := range s.auth.Requests() {
		if r.Body.Get("refresh_token") != "" {
			count++
		}
	}
	return count
}

// requireEnded checks that attempts ended with the second request. Whether a client is still refused may have been looked at once more.
func requireEnded(t *testing.T, class token.Class, requests int) {
	t.Helper()
	if class == token.ClassClientBroken {
		require.Contains(t, []int{2, 3}, requests)
		return
	}
	require.Equal(t, 2, requests)
}

// lost reports whether the answer can never be had again.
func (f *trouble) lost(server rotating) bool {
	return f.unknown && server.provider.Recovery == token.SingleUse
}

// check looks at what there is when the token at hand is about to expire.
func (f *trouble) check(t *testing.T, s *suite, svc *token.Service, server rotating, first token.Token) {
	got := s.read()
	rotations, err := svc.Rotations(t.Context(), crm, "", 100)
	require.NoError(t, err)
	requests := s.redemptions() - f.challenges
	require.Zero(t, s.auth.Stats().FamiliesRevoked)
	if server.provider.Recovery == token.SingleUse {
		require.Zero(t, s.auth.Stats().DoubleRedemptions)
	}
	switch {
	case f.class == "":
		require.EqualValues(t, 2, got.Generation)
		require.Len(t, rotations, 2)
		require.Equal(t, 2, requests)
	case f.lost(server):
		require.Equal(t, token.RotationLost, rotations[0].State)
		require.Equal(t, token.ReasonRotationLost, got.LastFailure.Reason)
		require.Equal(t, token.Failing, got.Health(time.Now()))
		require.Equal(t, 2, requests, "it is not redeemed again")
	case f.ends:
		require.Equal(t, token.RotationFailed, rotations[0].State)
		require.Equal(t, f.class, rotations[0].FailureClass)
		require.Equal(t, f.class, got.LastFailure.Class)
		requireEnded(t, f.class, requests)
	default:
		require.EqualValues(t, 2, got.Generation, "recovered in time: %s", got.Message)
		require.Equal(t, token.RotationFailed, rotations[1].State)
		require.Equal(t, f.class, rotations[1].FailureClass)
		require.Nil(t, got.LastFailure)
		require.Equal(t, token.Healthy, got.Health(time.Now()))
		want := 3
		if f.unsent {
			want = 2
		}
		require.Equal(t, want, requests)
	}
	if f.lost(server) || f.ends {
		require.Equal(t, first.Fingerprint, got.Fingerprint)
		time.Sleep(time.Until(first.ExpireTime))
		synctest.Wait()
	}
}

// checkWatched looks at what was pushed: the newest state, and nothing that cannot be used.
func (f *trouble) checkWatched(t *testing.T, server rotating, watcher *token.Watcher, served map[int64]bool) {
	select {
	case <-watcher.Wake():
	default:
		require.FailNow(t, "nothing was pushed")
	}
	updates := watcher.Take()
	shown := updates[len(updates)-1].Token.Revealed(time.Now())
	switch {
	case f.lost(server):
		require.Equal(t, token.StateDeauthorized, shown.State)
		require.Equal(t, token.ReasonRotationLost, shown.Reason)
		require.Empty(t, shown.Credential.HTTP.Headers)
		require.Equal(t, map[int64]bool{1: true}, served)
	case f.ends:
		require.Equal(t, token.StateDeauthorized, shown.State)
		require.Equal(t, token.Reason(f.class), shown.Reason)
		require.Empty(t, shown.Credential.HTTP.Headers)
		require.Equal(t, map[int64]bool{1: true}, served)
	default:
		require.Equal(t, token.StateAuthorized, shown.State)
		require.EqualValues(t, 2, shown.Generation)
		require.NotEmpty(t, shown.Credential.HTTP.Headers)
		require.Contains(t, served, int64(2))
	}
}
