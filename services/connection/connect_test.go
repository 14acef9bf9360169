package connection_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/connection"
)

func TestAllowsReturn(t *testing.T) {
	t.Parallel()
	c := connection.Connect{ReturnURLs: []string{"https://app.example/done", "https://app.example/users/*", "https://root.example", "http://localhost:3000/*"}}
	for _, allowed := range []string{
		"https://app.example/done", "https://app.example/done?tab=1&next=%2Fx", "https://APP.example/done", "https://app.example/users",
		"https://app.example/users/", "https://app.example/users/7/drives?x", "https://root.example", "https://root.example/", "https://root.example/?q",
		"http://localhost:3000/", "http://localhost:3000/a/b",
	} {
		require.True(t, c.AllowsReturn(allowed), allowed)
	}
	for _, refused := range []string{
		"", "/done", "//app.example/done", "https:app.example/done", "https://app.example", "https://app.example/done/", "https://app.example/done/more",
		"https://app.example/done#x", "https://app.example/done#", "http://app.example/done", "https://app.example:8443/done",
		"https://evil.example/done", "https://app.example.evil.example/done", "https://app.example@evil.example/done",
		"https://user@app.example/done", "https://app.example/users/../admin", "https://app.example/users/%2e%2e/admin",
		"https://app.example/users/..%2fadmin", "https://app.example/users/%5c..%5cadmin", `https://app.example/users\..\admin`,
		"https://app.example/usersome", "https://app.example/users /x", "https://app.example/\tdone", "javascript:alert(1)",
		"https://root.example/x", "http://localhost/", "http://127.0.0.1:3000/",
	} {
		require.False(t, c.AllowsReturn(refused), refused)
	}
}

func TestConnectSettings(t *testing.T) {
	t.Parallel()
	good := users()
	good.OAuth2.Users = true
	good.OAuth2.Authorize = connection.Authorize{
		Endpoint: "https://as.example/authorize?tenant=1", Issuer: "https://as.example", Parameters: map[string]string{"access_type": "offline"},
	}
	good.Connect.ReturnURLs = []string{"https://app.example/x/*", "http://127.0.0.1:8000/"}
	require.NoError(t, good.Validate(nil))
	for field, change := range map[string]func(*connection.Settings){
		"connect.return_urls[0]": func(s *connection.Settings) { s.Connect.ReturnURLs = []string{"http://app.example/"} },
		"connect.return_urls[1]": func(s *connection.Settings) {
			s.Connect.ReturnURLs = []string{"https://a.example", "https://*.example/"}
		},
		"connect.return_urls[2]": func(s *connection.Settings) {
			s.Connect.ReturnURLs = []string{"https://a.example", "https://b.example", "https://a.example/?q"}
		},
		"oauth2.authorization_endpoint":              func(s *connection.Settings) { s.OAuth2.Authorize.Endpoint = "http://as.example/" },
		`oauth2.authorization_parameters["state"]`:   func(s *connection.Settings) { s.OAuth2.Authorize.Parameters = map[string]string{"state": "x"} },
		`oauth2.authorization_parameters["request"]`: func(s *connection.Settings) { s.OAuth2.Authorize.Parameters = map[string]string{"request": "x"} },
	} {
		s := good
		change(&s)
		var invalid *connection.ValidationError
		require.ErrorAs(t, s.Validate(nil), &invalid, field)
		require.Equal(t, field, invalid.Violations[0].Field)
	}
	other := oauth2()
	other.OAuth2.Authorize.Endpoint = "https://as.example/authorize"
	var invalid *connection.ValidationError
	require.ErrorAs(t, other.Validate(nil), &invalid, "it is for AUTHORIZATION_CODE")
}
