package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/app"
	"github.com/freshet-io/freshet/services/demo/authserver"
)

const (
	connectSecret = "canary-of-the-client"
	returnURL     = "https://shop.example/connected"
)

// acme is a provider whose API is elsewhere for each customer.
const acme = `
id: acme
name: Acme
docs: [https://acme.example/docs]
grants: [AUTHORIZATION_CODE, REFRESH_TOKEN]
authorize: {url: "https://acme.example/authorize"}
token:
  endpoint: https://acme.example/token
  capture: [{name: instance_url, from: instance_url, kind: URL}]
api: {base: "{instance_url}/v1"}
`

// accounts is a suite with a connection of users, drive, at an authorization server that is not ours as far as it knows.
type accounts struct {
	suite
	auth *authserver.Server
	at   string // URL of the authorization server
}

func newAccounts(t *testing.T) *accounts {
	t.Helper()
	a := &accounts{}
	providers := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(providers, "acme.yaml"), []byte(acme), 0o600))
	addrs, _ := run(t, func(c *app.Config) {
		c.Egress.Allow, c.Egress.AllowHTTP, c.ProvidersDir = []string{"loopback"}, true, providers
	})
	a.addrs = addrs
	auth, err := authserver.New(authserver.Config{TokenLifetime: time.Hour, Clients: []authserver.Client{{
		ID: "photoprint", Secrets: []string{connectSecret}, Scopes: []string{"files", "openid", "offline_access"},
		RedirectURIs: []string{"http://" + addrs.HTTP + "/oauth/callback"},
	}}, Refresh: authserver.RefreshPolicy{Rotation: authserver.SingleUse}})
	require.NoError(t, err)
	server := httptest.NewServer(auth.Handler())
	t.Cleanup(server.Close)
	auth.SetIssuer(server.URL)
	a.auth, a.at = auth, server.URL
	a.users(t, "drive", "")
	return a
}

// users makes a connection of users; more are further members of oauth2, each with a comma before.
func (a *accounts) users(t *testing.T, id, more string) {
	t.Helper()
	a.call(t, "POST", project+"/connections?connectionId="+id, fmt.Sprintf(`{"description":"Photos for your prints.",
		"connect":{"applicationName":"PrintPixie & Co","returnUrls":["%s"]},"oauth2":{"grantType":"AUTHORIZATION_CODE",
		"authorizationEndpoint":"%s","tokenEndpoint":"%s","clientId":"photoprint","clientSecret":"%s","scopes":["files","offline_access"],
		"refreshPolicy":{"mode":"ALWAYS"}%s}}`, returnURL, a.at+authserver.PathAuthorize, a.at+authserver.PathToken, connectSecret, more))
}

// session is one as the API shows it.
type session struct {
	Name, Grant, ConnectURL, State, StateReason, StateMessage string
}

func (a *accounts) start(t *testing.T, connection, body string) session {
	t.Helper()
	var s session
	require.NoError(t, json.Unmarshal([]byte(a.call(t, "POST", project+"/connections/"+connection+":startAuthorization", body)), &s))
	require.Equal(t, "WAITING", s.State)
	return s
}

func (a *accounts) session(t *testing.T, name string) session {
	t.Helper()
	var s session
	require.NoError(t, json.Unmarshal([]byte(a.call(t, "GET", "/v1/"+name, "")), &s))
	require.Empty(t, s.ConnectURL, "the link is shown once")
	return s
}

// grant is the state of a grant, with its uid.
func (a *accounts) grant(t *testing.T, name string) (state, uid string) {
	t.Helper()
	text, status := a.try(t, "GET", "/v1/"+name, "")
	if status == http.StatusNotFound {
		return "", ""
	}
	var g struct{ State, UID string }
	require.NoError(t, json.Unmarshal([]byte(text), &g))
	return g.State, g.UID
}

// redeemed counts the codes that the authorization server was given.
func (a *accounts) redeemed() int {
	n := 0
	for _, r := range a.auth.Requests() {
		if r.Body.Get("grant_type") == "authorization_code" {
			n++
		}
	}
	return n
}

// browser is an end user's, which follows no redirect by itself.
type browser struct {
	client *http.Client
	t      *testing.T
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{t: t, client: &http.Client{
		Jar: jar, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// page is what came back, with where it leads.
type page struct {
	status         int
	text, location string
	header         http.Header
}

// do makes a request. A callback whose outcome is not there after ten seconds, which a busy machine may need, is made again, as a user
// reloads the page.
func (b *browser) do(method, target string, form url.Values, header ...string) page {
	b.t.Helper()
	for range 5 {
		p := b.once(method, target, form, header...)
		if p.status != http.StatusAccepted && !strings.Contains(p.location, "status=pending") {
			return p
		}
	}
	require.FailNow(b.t, "no outcome in time", target)
	return page{}
}

func (b *browser) once(method, target string, form url.Values, header ...string) page {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, target, strings.NewReader(form.Encode()))
	require.NoError(b.t, err)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := b.client.Do(r)
	require.NoError(b.t, err)
	text, err := io.ReadAll(response.Body)
	require.NoError(b.t, err)
	require.NoError(b.t, response.Body.Close())
	return page{response.StatusCode, string(text), response.Header.Get("Location"), response.Header}
}

// begin opens a link and presses the button; it returns where that leads.
func (b *browser) begin(link string) string {
	b.t.Helper()
	require.Equal(b.t, http.StatusOK, b.do("GET", link, nil).status)
	p := b.do("POST", link, nil, "Sec-Fetch-Site", "same-origin")
	require.Equal(b.t, http.StatusSeeOther, p.status, p.text)
	return p.location
}

// decide answers the authorization server's question and returns the callback's URL.
func (b *browser) decide(authorize, decision string) string {
	b.t.Helper()
	p := b.do("POST", authorize, url.Values{"decision": {decision}, "user": {"ada"}})
	require.Equal(b.t, http.StatusSeeOther, p.status, p.text)
	require.Contains(b.t, p.location, "/oauth/callback?")
	return p.location
}

// with is a URL with other query parameters; empty ones are taken away.
func with(t *testing.T, raw string, parameters map[string]string) string {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	query := u.Query()
	for name, value := range parameters {
		query.Set(name, value)
		if value == "" {
			query.Del(name)
		}
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// query are the parameters of a URL.
func query(t *testing.T, raw string) map[string]string {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	out := map[string]string{}
	for name := range maps.Keys(u.Query()) {
		out[name] = u.Query().Get(name)
	}
	return out
}

// TestConnect runs the flow in browsers that know cookies and nothing else, against an authorization server over HTTP.
func TestConnect(t *testing.T) {
	a := newAccounts(t)
	for name, test := range map[string]func(*testing.T, *accounts){
		"connect":          testConnects,
		"without a return": testConnectsWithoutReturn,
		"deny, then retry": testDenies,
		"other browser":    testOtherBrowser,
		"mix-up":           testMixUp,
		"second tab":       testSecondTab,
		"failed":           testFailedRedemption,
		"re-authorization": testReauthorization,
		"pushed":           testPushed,
		"skipped page":     testSkippedPage,
		"ID token":         testIDToken,
		"account":          testAccount,
		"refused at start": testRefusedAtStart,
		"nothing there":    testNothingThere,
	} {
		t.Run(name, func(t *testing.T) { test(t, a) })
	}
}

func testConnects(t *testing.T, a *accounts) {
	s := a.start(t, "drive", `{"grantId":"ada","endUserId":"user-1","metadata":{"plan":"pro"},"returnUrl":"`+returnURL+`?tab=1","locale":"de",
		"authorizationParameters":{"login_hint":"ada@example.com"}}`)
	require.True(t, strings.HasPrefix(s.ConnectURL, "http://"+a.addrs.HTTP+"/connect/default."), s.ConnectURL)
	b := newBrowser(t)
	p := b.do("GET", s.ConnectURL, nil)
	require.Equal(t, http.StatusOK, p.status)
	require.Contains(t, p.text, "PrintPixie &amp; Co")
	require.Contains(t, p.text, "Photos for your prints.")
	require.Contains(t, p.text, "Keep access while you are not there")
	require.Equal(t, "no-store", p.header.Get("Cache-Control"))
	require.Equal(t, "DENY", p.header.Get("X-Frame-Options"))
	require.Contains(t, p.header.Get("Content-Security-Policy"), "default-src 'none'")
	require.Contains(t, p.header.Get("Set-Cookie"), "HttpOnly; SameSite=Lax")
	require.Equal(t, http.StatusForbidden, b.do("POST", s.ConnectURL, nil, "Sec-Fetch-Site", "cross-site").status)
	require.Equal(t, http.StatusForbidden, newBrowser(t).do("POST", s.ConnectURL, nil, "Sec-Fetch-Site", "same-origin").status, "no cookie")

	asked := b.begin(s.ConnectURL)
	request := query(t, asked)
	for name, want := range map[string]string{
		"response_type": "code", "client_id": "photoprint", "scope": "files offline_access", "code_challenge_method": "S256",
		"redirect_uri": "http://" + a.addrs.HTTP + "/oauth/callback", "login_hint": "ada@example.com", "ui_locales": "de",
	} {
		require.Equal(t, want, request[name], name)
	}
	callback := b.decide(asked, "allow")
	before := a.redeemed()
	p = b.do("GET", callback, nil)
	require.Equal(t, http.StatusSeeOther, p.status, p.text)
	require.Equal(t, map[string]string{"tab": "1", "status": "completed", "session": s.Name, "grant": s.Grant}, query(t, p.location))
	require.Equal(t, "COMPLETED", a.session(t, s.Name).State)
	state, _ := a.grant(t, s.Grant)
	require.Equal(t, "AUTHORIZED", state)
	require.Contains(t, a.call(t, "GET", "/v1/"+s.Grant, ""), `"plan":"pro"`)
	require.Contains(t, a.call(t, "GET", "/v1/"+s.Grant+"/token", ""), `"accessToken"`)

	again := b.do("GET", callback, nil)
	require.Equal(t, p.location, again.location, "the same browser hears the same again")
	require.Equal(t, http.StatusForbidden, newBrowser(t).do("GET", callback, nil).status)
	require.Equal(t, http.StatusGone, b.do("GET", s.ConnectURL, nil).status)
	require.Equal(t, before+1, a.redeemed())
}

func testConnectsWithoutReturn(t *testing.T, a *accounts) {
	s := a.start(t, "drive", `{"endUserId":"user-2"}`)
	b := newBrowser(t)
	p := b.do("GET", b.decide(b.begin(s.ConnectURL), "allow"), nil)
	require.Equal(t, http.StatusOK, p.status, p.text)
	require.Contains(t, p.text, "Your account is connected")
	require.Equal(t, "COMPLETED", a.session(t, s.Name).State)
	require.Contains(t, a.call(t, "GET", project+"/connections/-/grants?endUserId=user-2", ""), s.Grant)
}

func testDenies(t *testing.T, a *accounts) {
	s := a.start(t, "drive", `{"grantId":"denied","returnUrl":"`+returnURL+`"}`)
	b := newBrowser(t)
	p := b.do("GET", b.decide(b.begin(s.ConnectURL), "deny"), nil)
	require.Equal(t, "denied", query(t, p.location)["status"])
	require.Equal(t, "DENIED", a.session(t, s.Name).State)
	state, _ := a.grant(t, s.Grant)
	require.Empty(t, state, "nothing came into being")

	s = a.start(t, "drive", `{"grantId":"denied"}`)
	require.Equal(t, http.StatusOK, b.do("GET", b.decide(b.begin(s.ConnectURL), "allow"), nil).status)
	require.Equal(t, "COMPLETED", a.session(t, s.Name).State)
}

func testOtherBrowser(t *testing.T, a *accounts) {
	s := a.start(t, "drive", `{"grantId":"mine"}`)
	mine, other := newBrowser(t), newBrowser(t)
	asked := mine.begin(s.ConnectURL)
	require.Equal(t, http.StatusOK, other.do("GET", s.ConnectURL, nil).status)
	p := other.do("POST", s.ConnectURL, nil, "Sec-Fetch-Site", "same-origin")
	require.Equal(t, http.StatusForbidden, p.status)
	require.Contains(t, p.text, "another browser")
	before := a.redeemed()
	callback := mine.decide(asked, "allow")
	require.Equal(t, http.StatusForbidden, other.do("GET", callback, nil).status)
	require.Equal(t, "WAITING", a.session(t, s.Name).State, "whoever is not meant spoils nothing")
	require.Equal(t, before, a.redeemed())
	require.Equal(t, http.StatusOK, mine.do("GET", callback, nil).status)
}

func testMixUp(t *testing.T, a *accounts) {
	a.users(t, "checked", `,"issuer":"`+a.at+`"`)
	before := a.redeemed()
	for _, iss := range []string{"https://evil.example", ""} {
		s := a.start(t, "checked", `{"grantId":"victim"}`)
		b := newBrowser(t)
		callback := b.decide(b.begin(s.ConnectURL), "allow")
		p := b.do("GET", with(t, callback, map[string]string{"iss": iss}), nil)
		require.Equal(t, http.StatusBadGateway, p.status)
		ended := a.session(t, s.Name)
		require.Equal(t, "FAILED", ended.State)
		require.Equal(t, "ISSUER_MISMATCH", ended.StateReason)
		require.Equal(t, http.StatusBadGateway, b.do("GET", callback, nil).status, "the right one comes too late")
	}
	require.Equal(t, before, a.redeemed())
	s := a.start(t, "checked", `{"grantId":"victim"}`)
	b := newBrowser(t)
	require.Equal(t, http.StatusOK, b.do("GET", b.decide(b.begin(s.ConnectURL), "allow"), nil).status)
}

func testSecondTab(t *testing.T, a *accounts) {
	first, second := a.start(t, "drive", `{"grantId":"tabs"}`), a.start(t, "drive", `{"grantId":"tabs"}`)
	b := newBrowser(t)
	one, two := b.decide(b.begin(first.ConnectURL), "allow"), b.decide(b.begin(second.ConnectURL), "allow")
	require.Equal(t, http.StatusOK, b.do("GET", two, nil).status)
	_, uid := a.grant(t, first.Grant)
	require.Equal(t, http.StatusOK, b.do("GET", one, nil).status)
	for _, s := range []session{first, second} {
		require.Equal(t, "COMPLETED", a.session(t, s.Name).State)
	}
	state, same := a.grant(t, first.Grant)
	require.Equal(t, "AUTHORIZED", state)
	require.Equal(t, uid, same)

	// The same link twice: what was begun before is void.
	s := a.start(t, "drive", `{"grantId":"tabs"}`)
	old := b.begin(s.ConnectURL)
	asked := b.begin(s.ConnectURL)
	require.Equal(t, http.StatusNotFound, b.do("GET", b.decide(old, "allow"), nil).status)
	require.Equal(t, http.StatusOK, b.do("GET", b.decide(asked, "allow"), nil).status)
}

func testFailedRedemption(t *testing.T, a *accounts) {
	s := a.start(t, "drive", `{"grantId":"unlucky","returnUrl":"`+returnURL+`"}`)
	b := newBrowser(t)
	callback := b.decide(b.begin(s.ConnectURL), "allow")
	p := b.do("GET", with(t, callback, map[string]string{"code": "wrong"}), nil)
	answer := query(t, p.location)
	require.Equal(t, "failed", answer["status"], p.text)
	require.Equal(t, "GRANT_DEAD", answer["reason"])
	ended := a.session(t, s.Name)
	require.Equal(t, "FAILED", ended.State)
	require.Contains(t, ended.StateMessage, "invalid_grant")
	a.untilGone(t, s.Grant)

	s = a.start(t, "drive", `{"grantId":"unlucky"}`)
	callback = b.decide(b.begin(s.ConnectURL), "allow")
	p = b.do("GET", with(t, callback, map[string]string{"code": "", "error": "server_error", "error_description": "<b>oops</b>"}), nil)
	require.Equal(t, http.StatusBadGateway, p.status)
	require.NotContains(t, p.text, "oops")
	require.Contains(t, a.session(t, s.Name).StateMessage, "server_error: <b>oops</b>")
	require.Equal(t, "PROVIDER_REFUSED", a.session(t, s.Name).StateReason)
}

// untilGone waits until a grant is deleted.
func (a *accounts) untilGone(t *testing.T, name string) {
	t.Helper()
	a.until(t, "/v1/"+name, "GRANT_NOT_FOUND")
}

func testReauthorization(t *testing.T, a *accounts) {
	b := newBrowser(t)
	s := a.start(t, "drive", `{"grantId":"again","endUserId":"user-9"}`)
	require.Equal(t, http.StatusOK, b.do("GET", b.decide(b.begin(s.ConnectURL), "allow"), nil).status)
	_, uid := a.grant(t, s.Grant)

	s = a.start(t, "drive", `{"grantId":"again"}`)
	callback := b.decide(b.begin(s.ConnectURL), "allow")
	require.Equal(t, http.StatusBadGateway, b.do("GET", with(t, callback, map[string]string{"code": "wrong"}), nil).status)
	require.Equal(t, "FAILED", a.session(t, s.Name).State)
	a.until(t, "/v1/"+s.Grant, `"AUTHORIZED"`)
	a.call(t, "POST", "/v1/"+s.Grant+"/token:refresh", "{}") // with the former refresh token

	s = a.start(t, "drive", `{"grantId":"again"}`)
	require.Equal(t, http.StatusOK, b.do("GET", b.decide(b.begin(s.ConnectURL), "allow"), nil).status)
	state, same := a.grant(t, s.Grant)
	require.Equal(t, "AUTHORIZED", state)
	require.Equal(t, uid, same)
	require.Zero(t, a.auth.Stats().DoubleRedemptions)
	text, status := a.try(t, "POST", project+"/connections/drive:startAuthorization", `{"grantId":"again","endUserId":"somebody-else"}`)
	require.Equal(t, http.StatusBadRequest, status, text)
	require.Contains(t, text, "endUserId")
}

func testPushed(t *testing.T, a *accounts) {
	a.users(t, "pushed", `,"pushedAuthorizationRequestEndpoint":"`+a.at+authserver.PathPush+`"`)
	s := a.start(t, "pushed", `{"grantId":"par"}`)
	b := newBrowser(t)
	asked := b.begin(s.ConnectURL)
	request := query(t, asked)
	require.Len(t, request, 2)
	require.Equal(t, "photoprint", request["client_id"])
	require.Equal(t, http.StatusOK, b.do("GET", b.decide(asked, "allow"), nil).status)

	a.users(t, "unpushed", `,"pushedAuthorizationRequestEndpoint":"`+a.at+`/nothing-here"`)
	s = a.start(t, "unpushed", `{"grantId":"par"}`)
	b.do("GET", s.ConnectURL, nil)
	p := b.do("POST", s.ConnectURL, nil, "Sec-Fetch-Site", "same-origin")
	require.Equal(t, http.StatusBadGateway, p.status)
	require.NotContains(t, p.text, a.at)
}

func testSkippedPage(t *testing.T, a *accounts) {
	s := a.start(t, "drive", `{"skipPage":true,"scopes":["openid","files"]}`)
	b := newBrowser(t)
	require.Equal(t, http.StatusOK, b.do("HEAD", s.ConnectURL, nil).status)
	p := b.do("GET", s.ConnectURL, nil)
	require.Equal(t, http.StatusSeeOther, p.status)
	require.Equal(t, "openid files", query(t, p.location)["scope"])
	require.NotEmpty(t, query(t, p.location)["nonce"])
	callback, err := url.Parse(b.decide(p.location, "allow"))
	require.NoError(t, err)
	posted := b.do("POST", callback.Scheme+"://"+callback.Host+callback.Path, callback.Query(), "Sec-Fetch-Site", "cross-site")
	require.Equal(t, http.StatusSeeOther, posted.status)
	done := b.do("GET", callback.Scheme+"://"+callback.Host+posted.location, nil)
	require.Equal(t, http.StatusOK, done.status, done.text)
	require.Equal(t, "COMPLETED", a.session(t, s.Name).State)
}

func testIDToken(t *testing.T, a *accounts) {
	s := a.start(t, "drive", `{"grantId":"victim-of-injection","scopes":["openid"]}`)
	b := newBrowser(t)
	callback := b.decide(b.begin(s.ConnectURL), "allow")
	a.auth.SetQuirks(authserver.Quirks{Extra: map[string]string{"id_token": "e30.eyJub25jZSI6ImFub3RoZXIifQ.e30"}}) // {"nonce":"another"}
	defer a.auth.SetQuirks(authserver.Quirks{})
	require.Equal(t, http.StatusBadGateway, b.do("GET", callback, nil).status)
	require.Equal(t, "ID_TOKEN_REFUSED", a.session(t, s.Name).StateReason)
	a.untilGone(t, s.Grant)
}

// testAccount: the token answer says where the API is, and calls through the proxy go there.
func testAccount(t *testing.T, a *accounts) {
	a.users(t, "acme", `,"provider":"providers/acme"`)
	b := newBrowser(t)
	s := a.start(t, "acme", `{"grantId":"ada"}`)
	require.Equal(t, http.StatusBadGateway, b.do("GET", b.decide(b.begin(s.ConnectURL), "allow"), nil).status)
	require.Equal(t, "ACCOUNT_UNKNOWN", a.session(t, s.Name).StateReason)
	proxied := "/proxy/v1/" + s.Grant + "/photos"
	text, _ := a.try(t, "GET", proxied, "")
	require.Contains(t, text, "API_NOT_CONFIGURED")

	api := httptest.NewTLSServer(http.NotFoundHandler()) // with a certificate that is of no authority
	defer api.Close()
	api.Config.ErrorLog = log.New(io.Discard, "", 0)
	a.auth.SetQuirks(authserver.Quirks{Extra: map[string]string{"instance_url": api.URL}})
	defer a.auth.SetQuirks(authserver.Quirks{})
	s = a.start(t, "acme", `{"grantId":"ada"}`)
	require.Equal(t, http.StatusOK, b.do("GET", b.decide(b.begin(s.ConnectURL), "allow"), nil).status)
	require.Contains(t, a.call(t, "GET", "/v1/"+s.Grant, ""), `"account":{"instance_url":"`+api.URL+`"}`)
	require.Contains(t, a.call(t, "GET", "/v1/"+s.Grant+"/api", ""), api.URL+"/v1")
	text, _ = a.try(t, "GET", proxied, "")
	require.Contains(t, text, "UPSTREAM_UNREACHABLE")
}

func testRefusedAtStart(t *testing.T, a *accounts) {
	a.call(t, "POST", project+"/connections?connectionId=crm", `{"apiKey":{"name":"X-Api-Key","value":"k"}}`)
	a.call(t, "POST", project+"/connections?connectionId=endless", `{"oauth2":{"grantType":"AUTHORIZATION_CODE","tokenEndpoint":"`+a.at+`",
		"clientId":"x","clientSecret":"y"}}`)
	for _, c := range []struct{ connection, body, reason string }{
		{"drive", `{"returnUrl":"https://evil.example/"}`, "RETURN_URL_NOT_ALLOWED"},
		{"drive", `{"returnUrl":"` + returnURL + `/../x"}`, "RETURN_URL_NOT_ALLOWED"},
		{"drive", `{"authorizationParameters":{"state":"x"}}`, "INVALID_FIELD"},
		{"drive", `{"grantId":"../x"}`, "INVALID_FIELD"},
		{"crm", `{}`, "STATE_CONFLICT"},
		{"none", `{}`, "CONNECTION_NOT_FOUND"},
		{"endless", `{}`, "CONNECT_NOT_CONFIGURED"},
	} {
		text, _ := a.try(t, "POST", project+"/connections/"+c.connection+":startAuthorization", c.body)
		require.Contains(t, text, `"`+c.reason+`"`, c)
	}
	text, _ := a.try(t, "GET", project+"/connections/drive/authorizationSessions/01ARZ3NDEKTSV4RRFFQ69G5FAV", "")
	require.Contains(t, text, "AUTHORIZATION_SESSION_NOT_FOUND")
}

func testNothingThere(t *testing.T, a *accounts) {
	b := newBrowser(t)
	base := "http://" + a.addrs.HTTP
	for _, target := range []string{"/connect/", "/connect/default.NOTHING", "/connect/x", "/oauth/callback", "/oauth/callback?state=default.X&code=y"} {
		p := b.do("GET", base+target, nil)
		require.Equal(t, http.StatusNotFound, p.status, target)
		require.Contains(t, p.text, "There is nothing here", target)
	}
	require.Equal(t, http.StatusMethodNotAllowed, b.do("DELETE", base+"/connect/x", nil).status)
	require.Equal(t, http.StatusUnsupportedMediaType, b.do("POST", base+"/oauth/callback", nil, "Content-Type", "text/plain").status)
}
