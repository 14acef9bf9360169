package app_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestProxySettings: what a connection says of its calls is kept to, also after a change.
func TestProxySettings(t *testing.T) {
	paths := make(chan string, 10)
	p := newThrough(t, func(_ http.ResponseWriter, r *http.Request) { paths <- r.URL.EscapedPath() }, nil)
	response, text := p.do(t, "GET", "crm/projects/a%2Fb", nil)
	requireRefused(t, response, text, http.StatusBadRequest, "PROXY_REQUEST_REFUSED")
	text, status := p.try(t, "POST", project+"/connections?connectionId=x", `{"apiKey":{"name":"k","value":"v"},"proxySettings":{"burst":2}}`)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, text, "proxySettings.burst")

	p.connect(t, "limited", fmt.Sprintf(`{"apiKey":{"name":"X-Api-Key","value":"%s"},"apiBaseUrl":"%s","proxySettings":{"requestsPerSecond":0.01,"burst":2,"encodedSlashes":true}}`, canary, p.api.URL))
	api := p.call(t, "GET", project+"/connections/limited/api", "")
	require.Contains(t, api, `"encodedSlashes":true`)
	require.Contains(t, api, `"requestsPerSecond":0.01`)
	for _, path := range []string{"a%2Fb", "a/b"} {
		response, text = p.do(t, "GET", "limited/projects/"+path, nil)
		require.Equal(t, http.StatusOK, response.StatusCode, text)
		require.Equal(t, "/projects/"+path, <-paths)
	}
	response, text = p.do(t, "GET", "limited/x", nil)
	requireRefused(t, response, text, http.StatusTooManyRequests, "PROXY_RATE_LIMITED")
	require.NotEmpty(t, response.Header.Get("Retry-After"))
	response, _ = p.do(t, "GET", "limited/a%2F..%2Fb", nil)
	require.Equal(t, http.StatusBadRequest, response.StatusCode, "no step upwards")
	response, _ = p.do(t, "GET", "crm/x", nil)
	require.Equal(t, http.StatusOK, response.StatusCode, "another connection has no limit")
}

// TestProxyFollowsRedirects: who asks for it gets what lies at another host, which sees nothing of the credential.
func TestProxyFollowsRedirects(t *testing.T) {
	seen := make(chan *http.Request, 10)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r
		switch r.URL.Path {
		case "/again":
			http.Redirect(w, r, "/file?signature=1", http.StatusFound)
		case "/endless":
			http.Redirect(w, r, "/endless", http.StatusFound)
		default:
			w.Header().Set("Set-Cookie", "a=b")
			_, _ = io.WriteString(w, "content")
		}
	}))
	t.Cleanup(elsewhere.Close)
	p := newThrough(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", r.Header.Get("X-To"))
		w.WriteHeader(http.StatusFound)
	}, nil)
	for _, path := range []string{"/file", "/again"} {
		response, text := p.do(t, "GET", "crm/x", nil, "X-To", elsewhere.URL+path, "Freshet-Redirects", "follow", "Range", "bytes=0-", "X-Mine", "1")
		require.Equal(t, http.StatusOK, response.StatusCode, text)
		require.Equal(t, "content", text)
		require.Empty(t, response.Header.Get("Set-Cookie"))
		for r := range seen {
			dump := fmt.Sprint(r.URL, r.Header)
			require.NotContains(t, dump, canary)
			require.NotContains(t, dump, p.key)
			require.Empty(t, r.Header.Get("X-Mine"))
			require.Equal(t, "bytes=0-", r.Header.Get("Range"))
			if r.URL.Path == "/file" {
				break
			}
		}
	}
	for to, reason := range map[string]string{
		elsewhere.URL + "/endless":                "UPSTREAM_ANSWER_REFUSED",
		elsewhere.URL + "/x?key=" + canary:        "UPSTREAM_ANSWER_REFUSED",
		`\\` + elsewhere.Listener.Addr().String(): "UPSTREAM_ANSWER_REFUSED",
		"ftp://127.0.0.1/x":                       "EGRESS_DENIED",
		"http://10.0.0.1/x":                       "EGRESS_DENIED",
	} {
		response, text := p.do(t, "GET", "crm/x", nil, "X-To", to, "Freshet-Redirects", "follow")
		require.Equal(t, reason, response.Header.Get("Freshet-Error"), "%s: %s", to, text)
	}
	response, _ := p.do(t, "GET", "crm/x", nil, "X-To", "/v2/y", "Freshet-Redirects", "follow")
	require.Equal(t, http.StatusFound, response.StatusCode, "within the API it is the caller's business")
	response, text := p.do(t, "POST", "crm/x", nil, "Freshet-Redirects", "follow")
	requireRefused(t, response, text, http.StatusBadRequest, "PROXY_REQUEST_REFUSED")
}

// TestProxyProofs: a token that is bound to a key goes with a proof for each request, and with another one for the nonce that the API wants.
func TestProxyProofs(t *testing.T) {
	p := newThrough(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"access_token":"bound","token_type":"DPoP","expires_in":3600}`)
			return
		}
		parts := strings.Split(r.Header.Get("DPoP"), ".")
		if r.Header.Get("Authorization") != "DPoP bound" || len(parts) != 3 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		claims, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil || !strings.Contains(string(claims), `"nonce":"n1"`) {
			w.Header().Set("DPoP-Nonce", "n1")
			w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(append(claims, body...))
	}, nil)
	p.connect(t, "d", fmt.Sprintf(`{"oauth2":{"grantType":"CLIENT_CREDENTIALS","tokenEndpoint":"%[1]s/token","clientId":"c","clientSecret":"s","dpop":{}},"apiBaseUrl":"%[1]s"}`, p.api.URL))
	for calls := range 2 {
		response, text := p.do(t, "PUT", "d/things/1?q=2", strings.NewReader("hello"))
		require.Equal(t, http.StatusOK, response.StatusCode, text)
		require.Contains(t, text, `"htm":"PUT"`)
		require.Contains(t, text, `"htu":"`+p.api.URL+`/things/1"`)
		require.True(t, strings.HasSuffix(text, "hello"))
		require.EqualValues(t, 2+calls, p.seen.Load(), "the nonce is remembered")
	}
}
