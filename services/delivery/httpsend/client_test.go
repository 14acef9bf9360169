package httpsend_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
	"github.com/freshet-io/freshet/services/delivery/httpsend"
	"github.com/freshet-io/freshet/services/internal/egress"
	"github.com/freshet-io/freshet/services/internal/seal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func newClient(t *testing.T) *httpsend.Client {
	t.Helper()
	client := deliverytest.Loopback().Client()
	t.Cleanup(client.CloseIdleConnections)
	return httpsend.New(client.Transport, func() time.Time { return now })
}

func serve(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return server.URL
}

func request(url string) delivery.Request {
	return delivery.Request{Method: "POST", URL: url, Header: http.Header{}, Body: []byte(`{}`), Timeout: 5 * time.Second}
}

func TestSuccess(t *testing.T) {
	var got *http.Request
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "ok")
	})
	r := request(url + "/a%2Fb?x=1")
	r.Header.Set("X-A", "1")
	r.Detail = delivery.DetailNone
	require.Equal(t, delivery.Response{Status: 202}, newClient(t).Send(t.Context(), r))
	require.Equal(t, "/a%2Fb?x=1", got.RequestURI)
	require.Equal(t, "1", got.Header.Get("X-A"))
	require.EqualValues(t, 2, got.ContentLength)
}

func TestNoBody(t *testing.T) {
	var body []byte
	var header http.Header
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		header = r.Header
	})
	r := request(url)
	r.Method, r.Body = "GET", nil
	require.Equal(t, 200, newClient(t).Send(t.Context(), r).Status)
	require.Empty(t, body)
	require.Empty(t, header.Get("Content-Length"))
}

func TestRedirectIsAnAnswer(t *testing.T) {
	var paths []string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.Path)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	require.Equal(t, 307, newClient(t).Send(t.Context(), request(url+"/")).Status)
	require.Equal(t, []string{"/"}, paths)
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"7": 7 * time.Second, " 0 ": 0, "-1": -time.Second, "1.5": 1500 * time.Millisecond,
		"Sun, 22 Nov 2026 12:01:00 GMT": time.Minute, "Sun, 22 Nov 2026 11:00:00 GMT": 0,
		"99999999999999999999": 10 * 365 * 24 * time.Hour,
	} {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", header)
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		got := newClient(t).Send(t.Context(), request(url))
		require.Equal(t, 503, got.Status)
		require.NotNil(t, got.RetryAfter, header)
		require.Equal(t, want, *got.RetryAfter, header)
	}
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "soon")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	require.Nil(t, newClient(t).Send(t.Context(), request(url)).RetryAfter)
}

func TestTransportFailures(t *testing.T) {
	block := make(chan struct{})
	slow := serve(t, func(http.ResponseWriter, *http.Request) { <-block })
	t.Cleanup(func() { close(block) })
	broken := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed := "http://" + listener.Addr().String()
	require.NoError(t, listener.Close())
	plain := serve(t, func(http.ResponseWriter, *http.Request) {})

	for _, c := range []struct {
		name, url string
		want      delivery.ErrorClass
	}{
		{"slow", slow, delivery.TimedOut},
		{"broken", broken, delivery.ConnectionBroken},
		{"closed", closed, delivery.ConnectFailed},
		{"no TLS", strings.Replace(plain, "http:", "https:", 1), delivery.ConnectFailed},
		{"unknown host", "http://nowhere.invalid/", delivery.ConnectFailed},
		{"denied address", "http://10.0.0.1/", delivery.Denied},
		{"no URL", "http://[::1", delivery.InvalidRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request(c.url + "?token=canary-secret")
			r.Timeout = time.Second
			if c.want == delivery.ConnectFailed {
				r.Timeout = time.Minute
			}
			got := newClient(t).Send(t.Context(), r)
			require.Equal(t, c.want, got.Failure, got.Message)
			require.Zero(t, got.Status)
			require.NotEmpty(t, got.Message)
			require.NotContains(t, got.Message, "canary")
		})
	}
}

func TestCutOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	block := make(chan struct{})
	url := serve(t, func(http.ResponseWriter, *http.Request) { cancel(); <-block })
	t.Cleanup(func() { close(block) })
	require.Equal(t, delivery.ConnectionBroken, newClient(t).Send(ctx, request(url)).Failure)
}

// TestEchoedSecrets makes sure that a destination that sends a request back does not bring secrets into the history.
func TestEchoedSecrets(t *testing.T) {
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("user:canary-password"))
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, "you sent %s and %s?%s user:canary-password", r.Header.Get("Authorization"), r.Header.Get("X-Basic"), r.URL.RawQuery)
	})
	r := request(url + "?key=canary+%2F%26+query")
	r.Header.Set("Authorization", "Bearer canary-token")
	r.Header.Set("X-Basic", basic)
	r.Secrets = []seal.Secret{seal.NewSecret("Bearer canary-token"), seal.NewSecret(basic), seal.NewSecret("canary /& query")}
	got := newClient(t).Send(t.Context(), r)
	require.NotContains(t, got.Excerpt, "canary")
	require.NotContains(t, got.Excerpt, strings.TrimPrefix(basic, "Basic "))
	require.Contains(t, got.Excerpt, "you sent [redacted] and [redacted]?key=[redacted]")
}

// TestEchoedSpellings is TestEchoedSecrets for destinations that answer in JSON or with a page.
func TestEchoedSpellings(t *testing.T) {
	const secret = `c&n<a"r>y=é😀`
	for _, spelled := range []string{
		`c\u0026n\u003ca\"r\u003ey=é😀`, `c&n<a\"r>y=é😀`, `c&n<a\"r>y=\u00e9\ud83d\ude00`, `c&amp;n&lt;a&#34;r&gt;y=é😀`,
	} {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, `{"you":"%s"}`, spelled)
		})
		r := request(url)
		r.Secrets = []seal.Secret{seal.NewSecret(secret)}
		require.Equal(t, `{"you":"[redacted]"}`, newClient(t).Send(t.Context(), r).Excerpt)
	}
}

func TestExcerptIsText(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "a\x00b\xff\n"+strings.Repeat("ä", 100_000))
	})
	got := newClient(t).Send(t.Context(), request(url)).Excerpt
	require.True(t, strings.HasPrefix(got, "a b\uFFFD\n"), got[:10])
	require.LessOrEqual(t, len(got), 1024)
	require.Greater(t, len(got), 1000)
	require.True(t, utf8.ValidString(got))
}

// TestKeepAlive makes sure that answers of an ordinary size do not cost a connection.
func TestKeepAlive(t *testing.T) {
	connections := map[string]bool{}
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		connections[r.RemoteAddr] = true
		w.WriteHeader(200 + len(connections)%2*300)
		_, _ = io.WriteString(w, strings.Repeat("x", 30_000))
	})
	client := newClient(t)
	for range 5 {
		client.Send(t.Context(), request(url))
	}
	require.Len(t, connections, 1)
}

func TestGuardIsAsked(t *testing.T) {
	client := egress.NewGuard(egress.Policy{}, egress.Options{}).Client()
	got := httpsend.New(client.Transport, nil).Send(t.Context(), request(serve(t, func(http.ResponseWriter, *http.Request) {})))
	require.Equal(t, delivery.Denied, got.Failure)
}
