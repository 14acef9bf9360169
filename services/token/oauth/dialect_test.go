package oauth_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
)

// TestRequestDialects makes requests to a server that accepts nothing but the dialect.
func TestRequestDialects(t *testing.T) {
	names := map[string]string{"client_id": "client_key", "client_secret": "app_secret", "grant_type": "type"}
	for name, tc := range map[string]struct {
		wants authserver.Dialect
		has   token.Dialect
	}{
		"PUT":             {authserver.Dialect{Method: http.MethodPut}, token.Dialect{Method: "PUT"}},
		"GET":             {authserver.Dialect{Method: http.MethodGet}, token.Dialect{Method: "GET"}},
		"JSON":            {authserver.Dialect{JSON: true}, token.Dialect{Encoding: "JSON"}},
		"JSON by PUT":     {authserver.Dialect{JSON: true, Method: http.MethodPut}, token.Dialect{Encoding: "JSON", Method: "PUT"}},
		"explicitly form": {authserver.Dialect{}, token.Dialect{Encoding: "FORM", Method: "POST", ScopeSeparator: " "}},
		"scopes by comma": {authserver.Dialect{ScopeSeparator: ","}, token.Dialect{ScopeSeparator: ","}},
		"other names":     {authserver.Dialect{Names: names}, token.Dialect{FieldNames: names}},
		"all of it, GET": {
			authserver.Dialect{Method: http.MethodGet, Names: names, ScopeSeparator: "+"},
			token.Dialect{Method: "GET", Encoding: "JSON", FieldNames: names, ScopeSeparator: "+"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSuite(t)
			s.auth.SetDialect(tc.wants)
			settings := s.settings(token.KindClientCredentials)
			settings.Dialect, settings.ClientAuthentication, settings.Scopes = tc.has, token.ClientSecretPost, []string{"read", "write"}
			issued := s.obtain(settings, token.Grant{})
			require.Equal(t, []string{"read", "write"}, issued.Scopes)
			require.Equal(t, clientID, s.last().Client)

			refresh, err := s.auth.IssueRefreshToken(clientID, "alice")
			require.NoError(t, err)
			settings.Grant, settings.RefreshToken = token.KindRefreshToken, seal.NewSecret(refresh)
			s.obtain(settings, token.Grant{})
		})
	}
}

func TestFieldsCanBeLeftOutAndAdded(t *testing.T) {
	c, address := capture(t)
	s := newSuite(t)
	settings := s.settings(token.KindRefreshToken)
	settings.TokenEndpoint, settings.RefreshToken = address+"/token?tenant=1", seal.NewSecret("rt")
	settings.ClientAuthentication = token.ClientSecretPost
	settings.Dialect = token.Dialect{
		FieldNames: map[string]string{"grant_type": "", "scope": ""}, RefreshEndpoint: address + "/refresh?kind=r", AuthorizationScheme: "Zoho-oauthtoken",
	}
	field := func(key, value string) []token.Field { return []token.Field{{Key: key, Value: seal.NewSecret(value)}} }
	settings.Parameters = token.Fields{Headers: field("X-Partner", "p"), Query: field("request", "token"), Body: field("type", "refresh")}

	s.obtain(settings, token.Grant{})

	got := c.all()[0]
	require.Equal(t, "/refresh", got.URL.Path, "a refresh token is redeemed where the dialect says")
	require.Equal(t, url.Values{"kind": {"r"}, "request": {"token"}}, got.URL.Query())
	require.Equal(t, url.Values{
		"type": {"refresh"}, "refresh_token": {"rt"}, "client_id": {clientID}, "client_secret": {clientSecret},
	}, got.PostForm)
	require.Equal(t, "p", got.Header.Get("X-Partner"))
	require.Equal(t, "application/json", got.Header.Get("Accept"))

	settings.Grant = token.KindClientCredentials
	s.obtain(settings, token.Grant{})
	require.Equal(t, "/token", c.all()[1].URL.Path)
	require.Equal(t, "1", c.all()[1].URL.Query().Get("tenant"))
}

func TestJSONRequests(t *testing.T) {
	var body map[string]any
	var header http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		raw, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(raw, &body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_, _ = w.Write([]byte(`{"access_token":"at"}`))
	}))
	t.Cleanup(server.Close)
	s := newSuite(t)
	settings := s.settings(token.KindTokenExchange)
	settings.TokenEndpoint, settings.Dialect.Encoding = server.URL, "JSON"
	settings.Exchange = token.TokenExchange{SubjectToken: seal.NewSecret("st"), Resources: []string{"a", "b"}}
	s.obtain(settings, token.Grant{})
	require.Equal(t, "application/json", header.Get("Content-Type"))
	require.Equal(t, map[string]any{
		"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": "st",
		"subject_token_type": "urn:ietf:params:oauth:token-type:access_token", "resource": []any{"a", "b"}, "scope": "read",
	}, body)
}
