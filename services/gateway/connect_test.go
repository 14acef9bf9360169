package gateway_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// view has every view that a browser can be shown.
func (f *fixture) view(v *connectionv1.ConnectView) {
	f.answer("ConnectInternalService.ShowConnect", &connectionv1.ShowConnectResponse{View: v}, nil)
	f.answer("ConnectInternalService.BeginConnect", &connectionv1.BeginConnectResponse{View: v}, nil)
	f.answer("ConnectInternalService.FinishConnect", &connectionv1.FinishConnectResponse{View: v}, nil)
}

// TestConnectPages: every view has a page of its own that needs no key, is kept by nobody, and has nothing that was not escaped.
func TestConnectPages(t *testing.T) {
	f := start(t)
	const evil = `<script>alert("x")</script>`
	titles := map[string]bool{}
	for number := range connectionv1.ConnectView_Kind_name {
		kind := connectionv1.ConnectView_Kind(number)
		if kind == connectionv1.ConnectView_REDIRECT {
			continue
		}
		reasons := []errorsv1.Reason{errorsv1.Reason_REASON_UNSPECIFIED}
		if kind == connectionv1.ConnectView_FAILED {
			reasons = []errorsv1.Reason{
				errorsv1.Reason_GRANT_DEAD, errorsv1.Reason_PROVIDER_REFUSED, errorsv1.Reason_ISSUER_MISMATCH,
				errorsv1.Reason_ACCOUNT_UNKNOWN, errorsv1.Reason_CLIENT_BROKEN,
			}
		}
		for _, reason := range reasons {
			f.view(&connectionv1.ConnectView{
				Kind: kind, ApplicationName: evil, ConnectionDescription: evil, ProviderName: evil, Reason: reason,
				Scopes: []*connectionv1.ConnectView_Scope{{Name: evil, Description: evil}, {Name: evil}},
			})
			got := f.do("GET", "/connect/default.X", "", "Authorization", "")
			f.take(t)
			require.Equal(t, "text/html; charset=utf-8", got.header.Get("Content-Type"))
			require.Equal(t, "no-store", got.header.Get("Cache-Control"))
			require.Equal(t, "nosniff", got.header.Get("X-Content-Type-Options"))
			policy := got.header.Get("Content-Security-Policy")
			require.Contains(t, policy, "frame-ancestors 'none'")
			require.NotContains(t, policy, "unsafe")
			require.Contains(t, got.body, `<html lang="en">`)
			require.NotContains(t, got.body, "<script")
			require.NotContains(t, got.body, reason.String())
			title, _, _ := strings.Cut(got.body[strings.Index(got.body, "<main>"):], "</p>")
			titles[title] = true
		}
	}
	require.Len(t, titles, 13, "each says something else; what is newer than this build is not known")
}

func TestConnectCookies(t *testing.T) {
	f := start(t)
	f.view(&connectionv1.ConnectView{Kind: connectionv1.ConnectView_ASK, ProviderName: "Drive"})
	got := f.do("GET", "/connect/default.X", "", "Authorization", "")
	require.Equal(t, "default.X", f.take(t).request.(*connectionv1.ShowConnectRequest).GetLink())
	cookie := got.header.Get("Set-Cookie")
	require.True(t, strings.HasPrefix(cookie, "freshet-connect="), cookie)
	require.Equal(t, "same-origin", got.header.Get("Referrer-Policy"))
	value, _, _ := strings.Cut(strings.TrimPrefix(cookie, "freshet-connect="), ";")
	require.Len(t, value, 26)

	f.view(&connectionv1.ConnectView{Kind: connectionv1.ConnectView_REDIRECT, Url: "https://as.example/authorize?x=1"})
	got = f.noRedirect().do("POST", "/connect/default.X", "", "Authorization", "", "Cookie", "freshet-connect="+value, "Sec-Fetch-Site", "same-origin")
	require.Equal(t, http.StatusSeeOther, got.status)
	require.Equal(t, "https://as.example/authorize?x=1", got.header.Get("Location"))
	require.Equal(t, "no-referrer", got.header.Get("Referrer-Policy"))
	require.Equal(t, value, f.take(t).request.(*connectionv1.BeginConnectRequest).GetBrowser())
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}, {"Cookie", "freshet-connect=short"}} {
		got = f.do("POST", "/connect/default.X", "", append([]string{"Authorization", "", "Cookie", "freshet-connect=" + value}, header...)...)
		require.Equal(t, http.StatusForbidden, got.status, header)
	}
	f.requireNoCalls(t)

	f.view(&connectionv1.ConnectView{Kind: connectionv1.ConnectView_CONNECTED})
	got = f.do("GET", "/oauth/callback?state=s&code=a%2Bb&code=c", "", "Authorization", "", "Cookie", "freshet-connect="+value)
	require.Equal(t, http.StatusOK, got.status)
	request := f.take(t).request.(*connectionv1.FinishConnectRequest)
	require.Equal(t, value, request.GetBrowser())
	require.Len(t, request.GetParameters(), 3)
	require.NotContains(t, f.logs.String(), "a+b")
	require.NotContains(t, f.logs.String(), "default.X")
}

func TestConnectErrors(t *testing.T) {
	f := start(t)
	f.answer("ConnectInternalService.ShowConnect", (*connectionv1.ShowConnectResponse)(nil),
		rpcerr.New(codes.Internal, errorsv1.Reason_INTERNAL_FAULT, "the database is on fire"))
	got := f.do("GET", "/connect/x", "", "Authorization", "")
	require.Equal(t, http.StatusServiceUnavailable, got.status)
	require.NotContains(t, got.body, "fire")
	f.take(t)
	require.Equal(t, http.StatusNotFound, f.do("GET", "/connect/"+strings.Repeat("x", 300), "", "Authorization", "").status, "no link is so long")
	require.Equal(t, http.StatusBadRequest, f.do("GET", "/oauth/callback?x=%zz", "", "Authorization", "").status)
	large := url.Values{"code": {strings.Repeat("x", 70<<10)}}.Encode()
	form := []string{"Authorization", "", "Content-Type", "application/x-www-form-urlencoded"}
	require.Equal(t, http.StatusRequestEntityTooLarge, f.do("POST", "/oauth/callback", large, form...).status)
	f.requireNoCalls(t)
	limited := 0
	for range 200 {
		if f.do("GET", "/connect/"+strings.Repeat("x", 300), "", "Authorization", "").status == http.StatusTooManyRequests {
			limited++
		}
	}
	require.Positive(t, limited)
}

// noRedirect has the client show redirects instead of refusing them.
func (f *fixture) noRedirect() *fixture {
	f.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return f
}
