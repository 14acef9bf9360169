package oauth_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/oauth"
)

func TestWhatIsKnownOfARequestWithoutAnswer(t *testing.T) {
	for name, tc := range map[string]struct {
		fault authserver.Fault
		sent  bool
		class token.Class
		says  string
	}{
		"reset before":    {authserver.Fault{Kind: authserver.FaultResetBeforeProcessing}, true, token.ClassAmbiguous, "outcome is not known"},
		"reset after":     {authserver.Fault{Kind: authserver.FaultResetAfterCommit}, true, token.ClassAmbiguous, "outcome is not known"},
		"truncated":       {authserver.Fault{Kind: authserver.FaultTruncatedBody}, true, token.ClassAmbiguous, "closed"},
		"too large":       {authserver.Fault{Kind: authserver.FaultHugeBody}, true, token.ClassAmbiguous, "1 MiB"},
		"malformed":       {authserver.Fault{Kind: authserver.FaultMalformedJSON}, true, token.ClassAmbiguous, "neither JSON"},
		"page":            {authserver.Fault{Kind: authserver.FaultHTML}, true, token.ClassConfiguration, "web page"},
		"redirect":        {authserver.Fault{Kind: authserver.FaultRedirect, Location: "https://evil.example/"}, true, token.ClassConfiguration, "redirect"},
		"redirect, 308":   {authserver.Fault{Kind: authserver.FaultRedirect, Status: 308, Location: "/elsewhere"}, true, token.ClassConfiguration, "redirect"},
		"429, seconds":    {authserver.Fault{Kind: authserver.FaultStatus, Status: 429, RetryAfter: time.Minute}, true, token.ClassThrottled, "429"},
		"503, date":       {authserver.Fault{Kind: authserver.FaultStatus, Status: 503, RetryAfter: time.Minute, RetryAfterDate: true}, true, token.ClassThrottled, "503"},
		"500":             {authserver.Fault{Kind: authserver.FaultStatus}, true, token.ClassAmbiguous, "500"},
		"the grant died":  {authserver.Fault{Kind: authserver.FaultOAuthError, Code: "invalid_grant"}, true, token.ClassGrantDead, "invalid_grant"},
		"no answer":       {authserver.Fault{Kind: authserver.FaultDelay, Delay: time.Minute}, true, token.ClassAmbiguous, "in time"},
		"no answer, late": {authserver.Fault{Kind: authserver.FaultDelayAfterCommit, Delay: time.Minute}, true, token.ClassAmbiguous, "in time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSuite(t)
			s.auth.Inject(tc.fault)
			settings := s.settings(token.KindClientCredentials)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			if tc.fault.Delay > 0 {
				ctx, cancel = context.WithTimeout(t.Context(), 2*time.Second) // for the request to be under way
			}
			defer cancel()
			answer, err := s.client.Exchange(ctx, settings, token.Grant{})
			if err == nil {
				_, err = s.client.Read(answer, settings, token.Grant{})
			}
			var failure *token.Failure
			require.ErrorAs(t, err, &failure)
			require.Equal(t, tc.class, failure.Class, failure.Message)
			require.Equal(t, tc.sent, failure.Sent)
			require.Contains(t, failure.Message, tc.says)
			require.Equal(t, 1, s.auth.Stats().Requests, "nothing is repeated")
			if tc.fault.RetryAfter > 0 {
				require.InDelta(t, time.Minute, failure.RetryAfter, float64(3*time.Second))
			}
		})
	}
}

func TestAWrongContentTypeIsForgiven(t *testing.T) {
	s := newSuite(t)
	s.auth.Inject(authserver.Fault{Kind: authserver.FaultWrongContentType, Count: 1})
	s.obtain(s.settings(token.KindClientCredentials), token.Grant{})
}

func TestALargePageIsARefusal(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "<html>"+strings.Repeat("x", 2<<20))
	}))
	t.Cleanup(server.Close)
	s := newSuite(t)
	settings := s.settings(token.KindClientCredentials)
	settings.TokenEndpoint = server.URL
	require.Equal(t, token.ClassConfiguration, s.refused(settings, token.Grant{}).Class)
}

var errDenied = errors.New("denied")

func TestWhatDidNotLeave(t *testing.T) {
	s := newSuite(t)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	distrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	distrusted.Config.ErrorLog = nil
	distrusted.StartTLS()
	t.Cleanup(distrusted.Close)
	for name, tc := range map[string]struct{ url, says string }{
		"refused":                   {closed.URL, "refused"},
		"no such host":              {"https://no-such-host.invalid/token", "no-such-host.invalid"},
		"no TLS there":              {strings.Replace(plain.URL, "http:", "https:", 1), "did not leave"},
		"certificate not accepted":  {distrusted.URL, "certificate was not accepted"},
		"query has what is no help": {closed.URL + "/?api_key=canary-secret", "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			settings := s.settings(token.KindClientCredentials)
			settings.TokenEndpoint = tc.url
			failure := s.refused(settings, token.Grant{})
			require.Equal(t, token.ClassNotSent, failure.Class)
			require.Equal(t, token.ReasonNotSent, failure.Reason)
			require.False(t, failure.Sent)
			require.Contains(t, failure.Message, tc.says)
			requireNoSecrets(t, failure.Message, "canary-secret")
		})
	}
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errDenied }}
	client := newClient(t, oauth.Config{HTTP: &http.Client{Transport: transport}, Denied: func(err error) bool { return errors.Is(err, errDenied) }})
	_, failure := try(t, client, s.settings(token.KindClientCredentials), token.Grant{})
	require.Equal(t, token.ClassConfiguration, failure.Class)
	require.Equal(t, token.ReasonEgressDenied, failure.Reason)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.client.Exchange(ctx, s.settings(token.KindClientCredentials), token.Grant{})
	require.ErrorAs(t, err, &failure)
	require.Equal(t, token.ClassNotSent, failure.Class)
	require.Contains(t, failure.Message, "cancelled")
}

// brittle is a connection that breaks after so many bytes were written.
type brittle struct {
	net.Conn
	left atomic.Int64
}

func (b *brittle) Write(p []byte) (int, error) {
	if b.left.Add(-int64(len(p))) < 0 {
		return len(p) / 2, errors.New("broken")
	}
	return b.Conn.Write(p)
}

func TestARequestThatLeftInPartIsSent(t *testing.T) {
	s := newSuite(t)
	for name, parameter := range map[string]string{
		"in the headers": strings.Repeat("h", 64<<10), // more than what is buffered
		"in the body":    "",
	} {
		t.Run(name, func(t *testing.T) {
			transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				var dialer net.Dialer
				conn, err := dialer.DialContext(ctx, network, address)
				if err != nil {
					return nil, err
				}
				b := &brittle{Conn: conn}
				b.left.Store(8 << 10)
				return b, nil
			}}
			t.Cleanup(transport.CloseIdleConnections)
			client := newClient(t, oauth.Config{HTTP: &http.Client{Transport: transport}})
			settings := s.settings(token.KindClientCredentials)
			settings.Parameters.Headers = []token.Field{{Key: "X-Long", Value: seal.NewSecret(parameter)}}
			settings.Parameters.Body = []token.Field{{Key: "long", Value: seal.NewSecret(strings.Repeat("b", 64<<10))}}
			_, failure := try(t, client, settings, token.Grant{})
			require.NotNil(t, failure)
			require.Equal(t, token.ClassAmbiguous, failure.Class)
			require.True(t, failure.Sent)
		})
	}
}

// TestARedemptionIsNotRepeatedByTheTransport has a server that closes every connection that is used a second time, at which
// net/http would repeat a GET, and a POST with an idempotency key, by itself.
func TestARedemptionIsNotRepeatedByTheTransport(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var requests atomic.Int64
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer func() { _ = conn.Close() }()
				reader := bufio.NewReader(conn)
				for first := true; ; first = false {
					request, err := http.ReadRequest(reader)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, request.Body)
					requests.Add(1)
					if !first {
						return
					}
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n{\"access_token\":\"at\"}")
				}
			})
		}
	})
	t.Cleanup(func() { _ = listener.Close(); served.Wait() })
	for name, change := range map[string]func(*token.OAuth2){
		"GET": func(o *token.OAuth2) { o.Dialect.Method = http.MethodGet },
		"POST": func(o *token.OAuth2) {
			o.Parameters.Headers = []token.Field{{Key: "Idempotency-Key", Value: seal.NewSecret("k")}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			transport := &http.Transport{MaxConnsPerHost: 1}
			defer transport.CloseIdleConnections()
			client := newClient(t, oauth.Config{HTTP: &http.Client{Transport: transport}})
			settings := token.OAuth2{
				Grant: token.KindRefreshToken, RefreshToken: seal.NewSecret("rt"), TokenEndpoint: "http://" + listener.Addr().String(),
				ClientID: clientID, ClientAuthentication: token.NoClientAuth,
			}
			change(&settings)
			requests.Store(0)
			_, failure := try(t, client, settings, token.Grant{})
			require.Nil(t, failure)
			_, failure = try(t, client, settings, token.Grant{})
			require.NotNil(t, failure)
			require.Equal(t, token.ClassAmbiguous, failure.Class)
			require.Equal(t, int64(2), requests.Load())
		})
	}
}

// TestWhatIsSpentHasAClientOfItsOwn: what the journal may redeem again goes the way of everything else.
func TestWhatIsSpentHasAClientOfItsOwn(t *testing.T) {
	s := newSuite(t)
	refused := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errDenied }}}
	client := newClient(t, oauth.Config{Redeem: refused})
	_, failure := try(t, client, s.settings(token.KindClientCredentials), token.Grant{})
	require.Nil(t, failure)
	settings := s.settings(token.KindRefreshToken)
	settings.RefreshToken = seal.NewSecret("rt")
	for recovery, own := range map[token.RotationRecovery]bool{
		"": true, token.SingleUse: true, token.Grace: false, token.UntilSuccessorUsed: false, token.Idempotent: false, token.Reusable: false,
	} {
		settings.Provider.Recovery = recovery
		_, failure = try(t, client, settings, token.Grant{})
		require.Equal(t, own, failure.Class == token.ClassNotSent, "%q: %v", recovery, failure)
	}
	code := s.settings(token.KindAuthorizationCode)
	code.Code.Code, code.Provider.Recovery = seal.NewSecret("code"), token.Idempotent
	_, failure = try(t, client, code, token.Grant{})
	require.Equal(t, token.ClassNotSent, failure.Class, "a code is good once, whatever the refresh tokens are")
}

func TestNewNeedsAClient(t *testing.T) {
	_, err := oauth.New(oauth.Config{})
	require.Error(t, err)
}
