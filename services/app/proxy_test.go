package app_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/app"
)

// through is a suite with connections to an API that the test plays.
type through struct {
	suite
	api  *httptest.Server
	key  string
	seen atomic.Int64 // requests that reached the API
}

const canary = "canary-7f3a"

// newThrough starts both. The connection crm has an API key; its API is at /v2.
func newThrough(t *testing.T, api http.HandlerFunc, change func(*app.Config)) *through {
	t.Helper()
	p := &through{}
	p.api = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/token" {
			p.seen.Add(1)
		}
		api(w, r)
	}))
	t.Cleanup(p.api.Close)
	addrs, _ := run(t, func(c *app.Config) {
		c.Egress.Allow, c.Egress.AllowHTTP = []string{"loopback"}, true
		if change != nil {
			change(c)
		}
	})
	p.addrs = addrs
	key, err := os.ReadFile(addrs.AdminKeyFile)
	require.NoError(t, err)
	p.key = strings.TrimSpace(string(key))
	p.connect(t, "crm", fmt.Sprintf(`{"apiKey":{"name":"X-Api-Key","value":"%s"},"apiBaseUrl":"%s/v2",
		"invocationParameters":{"query":[{"key":"account","value":"q-%s","secret":true}]}}`, canary, p.api.URL, canary))
	return p
}

func (p *through) connect(t *testing.T, id, body string) {
	t.Helper()
	p.call(t, "POST", project+"/connections?connectionId="+id, body)
	p.until(t, project+"/connections/"+id+"/token", `"AUTHORIZED"`)
}

// do sends a request with the admin key; headers are names and values in turn.
func (p *through) do(t *testing.T, method, path string, body io.Reader, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.addrs.HTTP+"/proxy"+project+"/connections/"+path, body)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+p.key)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	response, err := transport.RoundTrip(r)
	require.NoError(t, err)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response, string(text)
}

// requireRefused wants an error of ours with a reason.
func requireRefused(t *testing.T, response *http.Response, text string, status int, reason string) {
	t.Helper()
	require.Equal(t, status, response.StatusCode, text)
	require.Equal(t, reason, response.Header.Get("Freshet-Error"), text)
	require.Equal(t, "application/problem+json", response.Header.Get("Content-Type"))
	var problem struct{ Reason string }
	require.NoError(t, json.Unmarshal([]byte(text), &problem))
	require.Equal(t, reason, problem.Reason)
	require.NotContains(t, text, canary)
}

// TestProxyCall: the credential goes to the API and nothing of the caller's own; the API's answer comes back without what is its host's.
func TestProxyCall(t *testing.T) {
	got := make(chan *http.Request, 10)
	p := newThrough(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		got <- r
		w.Header().Set("Set-Cookie", "session=1")
		w.Header().Set("X-Echo", r.Header.Get("X-Api-Key"))
		w.Header().Set("Etag", `"7"`)
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte("made"))
	}, nil)
	response, text := p.do(t, "PUT", "crm/items/a%20b?x=1&account=mine&y=%2F", strings.NewReader("hello"), "Cookie", "session=ours", "X-Forwarded-Host", "evil.example",
		"X-Api-Key", p.key, "Connection", "X-Hop", "X-Hop", "1", "Content-Type", "text/plain")
	require.Equal(t, http.StatusCreated, response.StatusCode, text)
	require.Equal(t, "made", text)
	require.Equal(t, `"7"`, response.Header.Get("Etag"))
	require.Empty(t, response.Header.Values("Set-Cookie"))
	require.Empty(t, response.Header.Get("X-Echo"), "the credential does not come back")
	r := <-got
	require.Equal(t, "/v2/items/a%20b", r.URL.EscapedPath())
	require.Equal(t, "x=1&y=%2F&account=q-"+canary, r.URL.RawQuery)
	require.Equal(t, []string{canary}, r.Header.Values("X-Api-Key"))
	require.Equal(t, strings.TrimPrefix(p.api.URL, "http://"), r.Host)
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.Equal(t, "hello", string(body))
	for _, name := range []string{"Authorization", "Cookie", "X-Forwarded-Host", "X-Hop"} {
		require.Empty(t, r.Header.Values(name), name)
	}
	dump := fmt.Sprint(r.Header)
	require.NotContains(t, dump, p.key)

	response, text = p.do(t, "GET", "none/x", nil)
	requireRefused(t, response, text, http.StatusNotFound, "CONNECTION_NOT_FOUND")
	response, text = p.do(t, "GET", "crm/grants/u-1/x", nil)
	requireRefused(t, response, text, http.StatusNotFound, "TOKEN_NOT_FOUND")
	p.connect(t, "bare", `{"apiKey":{"name":"X-Api-Key","value":"k"}}`)
	response, text = p.do(t, "GET", "bare/x", nil)
	requireRefused(t, response, text, http.StatusBadRequest, "API_NOT_CONFIGURED")
	response, text = p.do(t, "GET", "crm/x", nil, "Authorization", "Bearer wrong")
	requireRefused(t, response, text, http.StatusUnauthorized, "UNAUTHENTICATED")
	require.EqualValues(t, 1, p.seen.Load())
}

// TestProxyAttacks: what could lead elsewhere never reaches the API.
func TestProxyAttacks(t *testing.T) {
	p := newThrough(t, func(http.ResponseWriter, *http.Request) {}, nil)
	for name, request := range map[string]string{
		"absolute form":       "GET http://evil.example/proxy%[1]s/x HTTP/1.1\r\nHost: h\r\n%[2]s\r\n",
		"dot segments":        "GET /proxy%[1]s/../../x HTTP/1.1\r\nHost: h\r\n%[2]s\r\n",
		"encoded dots":        "GET /proxy%[1]s/%%2e%%2e/x HTTP/1.1\r\nHost: h\r\n%[2]s\r\n",
		"twice encoded":       "GET /proxy%[1]s/%%252e%%252e%%252fx HTTP/1.1\r\nHost: h\r\n%[2]s\r\n",
		"encoded slash":       "GET /proxy%[1]s/a%%2fb HTTP/1.1\r\nHost: h\r\n%[2]s\r\n",
		"encoded backslash":   "GET /proxy%[1]s/..%%5cb HTTP/1.1\r\nHost: h\r\n%[2]s\r\n",
		"backslash":           "GET /proxy%[1]s/..\\b HTTP/1.1\r\nHost: h\r\n%[2]s\r\n",
		"another host":        "GET /proxy%[1]s//evil.example/x HTTP/1.1\r\nHost: h\r\n%[2]s\r\n",
		"host by header":      "GET /proxy%[1]s/x HTTP/1.1\r\nHost: h\r\nFreshet-Host: evil.example\r\n%[2]s\r\n",
		"CRLF in the path":    "GET /proxy%[1]s/x%%0d%%0aHost:%%20evil HTTP/1.1\r\nHost: h\r\n%[2]s\r\n",
		"upgrade":             "GET /proxy%[1]s/x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n%[2]s\r\n",
		"trace":               "TRACE /proxy%[1]s/x HTTP/1.1\r\nHost: h\r\n%[2]s\r\n",
		"connect":             "CONNECT /proxy%[1]s/x HTTP/1.1\r\nHost: h\r\n%[2]s\r\n",
		"connect to a host":   "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n%[2]s\r\n",
		"two lengths":         "POST /proxy%[1]s/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n%[2]s\r\nab",
		"folded header":       "GET /proxy%[1]s/x HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n X-B: 2\rX: y\r\n%[2]s\r\n",
		"space before colon":  "POST /proxy%[1]s/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n%[2]s\r\n",
		"two hosts":           "GET /proxy%[1]s/x HTTP/1.1\r\nHost: h\r\nHost: evil\r\n%[2]s\r\n",
		"strange encoding":    "POST /proxy%[1]s/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n%[2]s\r\n",
		"too many retries":    "GET /proxy%[1]s/x HTTP/1.1\r\nHost: h\r\nFreshet-Retries: 99\r\n%[2]s\r\n",
		"project of no name":  "GET /proxy/v1/projects/%%2e%%2e/connections/crm/x HTTP/1.1\r\nHost: h\r\n%[2]s\r\n",
		"grant of no name":    "GET /proxy%[1]s/grants/%%2e%%2e/x HTTP/1.1\r\nHost: h\r\n%[2]s\r\n",
		"connection escaping": "GET /proxy/v1/projects/default/connections/crm%%2f..%%2fx/y HTTP/1.1\r\nHost: h\r\n%[2]s\r\n",
	} {
		conn, err := net.Dial("tcp", p.addrs.HTTP)
		require.NoError(t, err)
		_, err = fmt.Fprintf(conn, request, project+"/connections/crm", "Authorization: Bearer "+p.key+"\r\nConnection: close\r\n")
		require.NoError(t, err)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err, name)
		require.GreaterOrEqual(t, response.StatusCode, 400, name)
		require.Less(t, response.StatusCode, 502, name)
		require.NoError(t, response.Body.Close())
		require.NoError(t, conn.Close())
	}
	require.Zero(t, p.seen.Load())
}

// TestProxyAnswersThatLeadElsewhere: a redirect within the API is the caller's business, one to elsewhere is not passed on, and none is followed.
func TestProxyAnswersThatLeadElsewhere(t *testing.T) {
	p := newThrough(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", r.Header.Get("X-To"))
		w.WriteHeader(http.StatusFound)
	}, nil)
	response, _ := p.do(t, "GET", "crm/x", nil, "X-To", "/v2/y")
	require.Equal(t, http.StatusFound, response.StatusCode)
	require.Equal(t, "/v2/y", response.Header.Get("Location"))
	for _, to := range []string{"https://evil.example/", "//evil.example", p.api.URL + "0/", `\\evil.example`} {
		response, text := p.do(t, "GET", "crm/x", nil, "X-To", to)
		requireRefused(t, response, text, http.StatusBadGateway, "UPSTREAM_ANSWER_REFUSED")
		require.Empty(t, response.Header.Get("Location"))
	}
	require.EqualValues(t, 5, p.seen.Load())
}

// TestProxyPrivateAddress: a name that leads to an address of ours is refused when it is dialled.
func TestProxyPrivateAddress(t *testing.T) {
	p := newThrough(t, func(http.ResponseWriter, *http.Request) {}, nil)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(p.api.URL, "http://"))
	require.NoError(t, err)
	strict, _ := run(t, func(c *app.Config) { c.Egress.AllowHTTP = true })
	q := &through{suite: suite{strict}}
	key, err := os.ReadFile(strict.AdminKeyFile)
	require.NoError(t, err)
	q.key = strings.TrimSpace(string(key))
	text, status := q.try(t, "POST", project+"/connections?connectionId=a", `{"apiKey":{"name":"k","value":"v"},"apiBaseUrl":"http://127.0.0.1:1"}`)
	require.Equal(t, http.StatusBadRequest, status, text)
	require.Contains(t, text, "EGRESS_DENIED")
	q.connect(t, "crm", fmt.Sprintf(`{"apiKey":{"name":"k","value":"%s"},"apiBaseUrl":"http://localhost:%s"}`, canary, port))
	response, text := q.do(t, "GET", "crm/x", nil)
	requireRefused(t, response, text, http.StatusBadRequest, "EGRESS_DENIED")
	require.Zero(t, p.seen.Load())
}

// TestProxyRefusedToken: a 401 has the token replaced and the call made once more, if its body can be sent again.
func TestProxyRefusedToken(t *testing.T) {
	var issued, valid atomic.Int64
	valid.Store(2)
	p := newThrough(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":3600}`, issued.Add(1))
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Header.Get("Authorization") != fmt.Sprintf("Bearer token-%d", valid.Load()) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = fmt.Fprintf(w, "%d", r.ContentLength)
	}, nil)
	p.connect(t, "o", fmt.Sprintf(`{"oauth2":{"grantType":"CLIENT_CREDENTIALS","tokenEndpoint":"%[1]s/token","clientId":"c","clientSecret":"s"},"apiBaseUrl":"%[1]s"}`, p.api.URL))
	response, text := p.do(t, "POST", "o/x", strings.NewReader("hello"))
	require.Equal(t, http.StatusOK, response.StatusCode, text)
	require.Equal(t, "5", text)
	require.EqualValues(t, 2, p.seen.Load())

	valid.Store(3)
	response, _ = p.do(t, "POST", "o/x", bytes.NewReader(make([]byte, 64<<10+1)))
	require.Equal(t, http.StatusUnauthorized, response.StatusCode, "the body is gone")
	require.Empty(t, response.Header.Get("Freshet-Error"))
	require.EqualValues(t, 3, p.seen.Load())
}

// TestProxyRateLimit: an API that says to come back is not called before, unless the caller wants to wait.
func TestProxyRateLimit(t *testing.T) {
	p := newThrough(t, nil, nil)
	wait := "0"
	p.api.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if p.seen.Add(1)%2 == 1 {
			w.Header().Set("Retry-After", wait)
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	response, text := p.do(t, "GET", "crm/x", nil, "Freshet-Retries", "1")
	require.Equal(t, http.StatusOK, response.StatusCode, text)
	require.EqualValues(t, 2, p.seen.Load())
	wait = "100"
	response, _ = p.do(t, "GET", "crm/x", nil, "Freshet-Retries", "1")
	require.Equal(t, http.StatusTooManyRequests, response.StatusCode, "too long to wait")
	require.Equal(t, "100", response.Header.Get("Retry-After"))
	response, text = p.do(t, "GET", "crm/x", nil)
	requireRefused(t, response, text, http.StatusTooManyRequests, "UPSTREAM_RATE_LIMITED")
	require.NotEmpty(t, response.Header.Get("Retry-After"))
	require.EqualValues(t, 3, p.seen.Load())
}

// TestProxyStreams: large bodies pass through both ways at the same time, in little memory; what is too large is cut off noticeably.
func TestProxyStreams(t *testing.T) {
	const size = 64 << 20
	p := newThrough(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/endless" {
			for block := make([]byte, 1<<20); ; {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		}
		_ = http.NewResponseController(w).EnableFullDuplex()
		buffer := make([]byte, 32<<10)
		_, _ = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r.Body}, buffer)
	}, func(c *app.Config) { c.Proxy.MaxRequest, c.Proxy.MaxResponse = size>>20, size>>20 })
	send := func(path string, body io.Reader, length int64) (*http.Response, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.addrs.HTTP+"/proxy"+project+"/connections/crm/"+path, body)
		require.NoError(t, err)
		r.ContentLength = length
		r.Header.Set("Authorization", "Bearer "+p.key)
		r.Header.Set("Expect", "100-continue") // so that a refusal comes before the body
		return (&http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: 10 * time.Second}).RoundTrip(r)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	response, err := send("echo", io.LimitReader(zeros{}, size), -1)
	require.NoError(t, err)
	n, err := io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.EqualValues(t, size, n)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(size/4), "all that client, proxy and API allocated")

	response, err = send("endless", nil, 0)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, response.Body)
	require.Error(t, err)
	require.NoError(t, response.Body.Close())
	response, err = send("echo", io.LimitReader(zeros{}, size+1), size+1)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
}

// zeros has no end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
