package app_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/sdk/tokensource"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/rpcclient"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// signedAPI takes requests that are signed by OAuth 1.0a with HMAC-SHA256, and each nonce once.
type signedAPI struct {
	mu    sync.Mutex
	key   string // consumer secret & token secret
	nonce map[string]bool
	seen  chan string // what was accepted: method, URL, body
}

func (a *signedAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	values, header := r.URL.Query(), map[string]string{}
	scheme, list, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	for field := range strings.SplitSeq(list, ", ") {
		name, value, _ := strings.Cut(field, "=")
		header[name], _ = url.PathUnescape(strings.Trim(value, `"`))
	}
	for name, value := range header {
		if name != "realm" && name != "oauth_signature" {
			values.Add(name, value)
		}
	}
	if r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
		form, _ := url.ParseQuery(string(body))
		for name, list := range form {
			values[name] = append(values[name], list...)
		}
	}
	escape := func(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
	var pairs []string
	for name, list := range values {
		for _, value := range list {
			pairs = append(pairs, escape(name)+"="+escape(value))
		}
	}
	slices.Sort(pairs) // no name of these tests begins another
	base := r.Method + "&" + escape("http://"+r.Host+r.URL.EscapedPath()) + "&" + escape(strings.Join(pairs, "&"))
	a.mu.Lock()
	defer a.mu.Unlock()
	mac := hmac.New(sha256.New, []byte(a.key))
	_, _ = io.WriteString(mac, base)
	want := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if scheme != "OAuth" || header["realm"] != "r1" || header["oauth_signature"] != want || a.nonce[header["oauth_nonce"]] {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	a.nonce[header["oauth_nonce"]] = true
	a.seen <- r.Method + " " + r.URL.RequestURI() + " " + string(body)
}

// TestOAuth1: every request that is made with the connection is signed: through the proxy, by applications, by deliveries.
func TestOAuth1(t *testing.T) {
	api := &signedAPI{key: canary + "-consumer&" + canary + "-token", nonce: map[string]bool{}, seen: make(chan string, 10)}
	p := newThrough(t, api.ServeHTTP, nil)
	settings := fmt.Sprintf(`{"oauth1":{"consumerKey":"shop","consumerSecret":"%[1]s-consumer","token":"t1","tokenSecret":"%[1]s-token","signatureMethod":"HMAC_SHA256","realm":"r1"},
		"apiBaseUrl":"%[2]s/v1","invocationParameters":{"query":[{"key":"script","value":"7"}]}}`, canary, p.api.URL)
	p.connect(t, "ns", settings)
	require.NotContains(t, p.call(t, "GET", project+"/connections/ns", ""), canary)
	token := p.call(t, "GET", project+"/connections/ns/token", "")
	require.NotContains(t, token, canary)
	require.Contains(t, token, `"signatureMethod":"HMAC-SHA256"`)

	response, text := p.do(t, "GET", "ns/items/a%20b?x=1&x=%2F", nil)
	require.Equal(t, http.StatusOK, response.StatusCode, text)
	require.Equal(t, "GET /v1/items/a%20b?x=1&x=%2F&script=7 ", <-api.seen)
	response, text = p.do(t, "POST", "ns/items", strings.NewReader("a=1+2&b=%26"), "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, http.StatusOK, response.StatusCode, text)
	require.Equal(t, "POST /v1/items?script=7 a=1+2&b=%26", <-api.seen)
	response, text = p.do(t, "POST", "ns/items", io.LimitReader(zeros{}, 1<<20+1), "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode, text)

	conn, err := rpcclient.Dial(p.addrs.GRPC, rpcclient.Options{Credentials: authn.AdminCredentials(seal.NewSecret(p.key))})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	source, err := tokensource.New(t.Context(), conn, "projects/default/connections/ns")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, source.Close()) })
	client := &http.Client{Transport: source.RoundTripper(&http.Transport{DisableKeepAlives: true})}
	answer, err := client.PostForm(p.api.URL+"/form", url.Values{"c": {"ä"}})
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, "POST /form?script=7 c=%C3%A4", <-api.seen)

	p.call(t, "POST", project+"/destinations?destinationId=d", `{"connection":"projects/default/connections/ns","endpoint":"`+p.api.URL+`/orders/*","httpMethod":"PUT"}`)
	p.call(t, "POST", project+"/buses/default/rules?ruleId=r", `{"eventPattern":"{\"source\":[\"shop\"]}","targets":[{"id":"t","destination":"projects/default/destinations/d","pathParameterValues":["$.detail.id"],"inputPath":"$.detail"}]}`)
	p.call(t, "POST", project+"/buses/default:putEvents", `{"entries":[{"source":"shop","detailType":"Order","detail":"{\"id\":\"7\"}"}]}`)
	require.Equal(t, `PUT /orders/7?script=7 {"id":"7"}`, <-api.seen)

	for body, reason := range map[string]string{
		`{"httpMethod":"GET","url":"/x"}`:                                                          "INVALID_FIELD",
		`{"httpMethod":"GET","url":"https://x/?a=%zz"}`:                                            "INVALID_FIELD",
		`{"httpMethod":"GET","url":"https://x/?oauth_nonce=1"}`:                                    "INVALID_FIELD",
		`{"httpMethod":"POST","url":"https://x/","form":"%zz"}`:                                    "INVALID_FIELD",
		`{"httpMethod":"GET","url":"https://x/","fingerprint":"0123456789abcdef0123456789abcdef"}`: "TOKEN_SUPERSEDED",
	} {
		text, _ := p.try(t, "POST", project+"/connections/ns/token:signRequest", body)
		require.Contains(t, text, reason, body)
	}
	text, _ = p.try(t, "POST", project+"/connections/crm/token:signRequest", `{"httpMethod":"GET","url":"https://x/"}`)
	require.Contains(t, text, "REQUESTS_NOT_SIGNED")
	require.Contains(t, p.call(t, "POST", project+"/connections/ns/token:signRequest", `{"httpMethod":"GET","url":"https://x/"}`), "OAuth realm=")

	p.call(t, "PATCH", project+"/connections/ns", `{"oauth1":{"tokenSecret":"other"}}`)
	api.mu.Lock()
	api.key = canary + "-consumer&other"
	api.mu.Unlock()
	p.until(t, project+"/connections/ns/token", `"generation":"2"`)
	response, text = p.do(t, "GET", "ns/x", nil)
	require.Equal(t, http.StatusOK, response.StatusCode, text)
}
