package oauth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/oauth"
)

// TestFailureClasses is about every answer without a token.
func TestFailureClasses(t *testing.T) {
	client := newClient(t, oauth.Config{})
	const json = "application/json"
	oauthError := func(status int, code string) token.Answer {
		return answered(status, json, `{"error":"`+code+`","error_description":"as they say"}`)
	}
	later := func(a token.Answer) token.Answer {
		a.RetryAfter = "120"
		return a
	}
	atlassian := answered(403, json, `{"error":"unauthorized_client","error_description":"refresh_token is invalid"}`)
	codes := func(from, to string) token.Dialect { return token.Dialect{ErrorCodes: map[string]string{from: to}} }
	nested := token.Dialect{ErrorPath: "data.error.code", ErrorCodes: map[string]string{"10010": "invalid_grant"}}
	for name, tc := range map[string]struct {
		answer  token.Answer
		dialect token.Dialect
		want    token.Class
		says    string
	}{
		"invalid_grant":             {oauthError(400, "invalid_grant"), token.Dialect{}, token.ClassGrantDead, "invalid_grant (as they say)"},
		"invalid_grant, 401":        {oauthError(401, "invalid_grant"), token.Dialect{}, token.ClassGrantDead, "401"},
		"in capitals":               {oauthError(400, "INVALID_GRANT"), token.Dialect{}, token.ClassGrantDead, ""},
		"GitHub":                    {oauthError(200, "bad_refresh_token"), token.Dialect{}, token.ClassGrantDead, "bad_refresh_token"},
		"Slack, refresh token":      {answered(200, json, `{"ok":false,"error":"invalid_refresh_token"}`), token.Dialect{}, token.ClassGrantDead, ""},
		"Slack, revoked":            {answered(200, json, `{"ok":false,"error":"token_revoked"}`), token.Dialect{}, token.ClassGrantDead, ""},
		"Slack, client":             {answered(200, json, `{"ok":false,"error":"bad_client_secret"}`), token.Dialect{}, token.ClassClientBroken, ""},
		"Slack, rate":               {answered(200, json, `{"ok":false,"error":"ratelimited"}`), token.Dialect{}, token.ClassThrottled, ""},
		"Atlassian":                 {atlassian, token.Dialect{}, token.ClassGrantDead, ""},
		"Microsoft":                 {oauthError(400, "interaction_required"), token.Dialect{}, token.ClassGrantDead, ""},
		"a form, 200":               {answered(200, "text/plain", "error=bad_verification_code&error_description=gone"), token.Dialect{}, token.ClassGrantDead, "gone"},
		"invalid_client":            {oauthError(401, "invalid_client"), token.Dialect{}, token.ClassClientBroken, ""},
		"invalid_client, 400":       {oauthError(400, "invalid_client"), token.Dialect{}, token.ClassClientBroken, ""},
		"unauthorized_client":       {oauthError(403, "unauthorized_client"), token.Dialect{}, token.ClassClientBroken, ""},
		"401 without code":          {answered(401, "", ""), token.Dialect{}, token.ClassClientBroken, "401 Unauthorized"},
		"invalid_scope":             {oauthError(400, "invalid_scope"), token.Dialect{}, token.ClassConfiguration, ""},
		"invalid_request":           {oauthError(400, "invalid_request"), token.Dialect{}, token.ClassConfiguration, ""},
		"unsupported_grant_type":    {oauthError(400, "unsupported_grant_type"), token.Dialect{}, token.ClassConfiguration, ""},
		"invalid_target":            {oauthError(400, "invalid_target"), token.Dialect{}, token.ClassConfiguration, ""},
		"unknown code":              {oauthError(400, "e-17"), token.Dialect{}, token.ClassConfiguration, "e-17"},
		"unknown code, 200":         {oauthError(200, "e-17"), token.Dialect{}, token.ClassConfiguration, "e-17"},
		"numeric code":              {answered(200, json, `{"error":40029,"message":"bad code"}`), token.Dialect{}, token.ClassConfiguration, "40029 (bad code)"},
		"error is an object":        {answered(400, json, `{"error":{"code":"invalid_grant","message":"it is over"}}`), token.Dialect{}, token.ClassGrantDead, "invalid_grant (it is over)"},
		"error is an object, 200":   {answered(200, json, `{"error":{"code":403,"status":"DENIED"}}`), token.Dialect{}, token.ClassConfiguration, "403"},
		"404":                       {answered(404, "text/html", "<html>"), token.Dialect{}, token.ClassConfiguration, "token endpoint?"},
		"405":                       {answered(405, "", ""), token.Dialect{}, token.ClassConfiguration, "405"},
		"HTML":                      {answered(200, "text/html", "<!doctype html>"), token.Dialect{}, token.ClassConfiguration, "web page"},
		"HTML by its type":          {answered(200, "text/html", "Welcome"), token.Dialect{}, token.ClassConfiguration, "web page"},
		"HTML, 502":                 {answered(502, "text/html", "<html>"), token.Dialect{}, token.ClassAmbiguous, "502"},
		"redirect":                  {answered(302, "", ""), token.Dialect{}, token.ClassConfiguration, "redirect"},
		"429":                       {answered(429, "", ""), token.Dialect{}, token.ClassThrottled, "429"},
		"429 with a code":           {oauthError(429, "invalid_request"), token.Dialect{}, token.ClassThrottled, ""},
		"503 with Retry-After":      {later(answered(503, "", "")), token.Dialect{}, token.ClassThrottled, ""},
		"slow_down":                 {oauthError(400, "slow_down"), token.Dialect{}, token.ClassThrottled, ""},
		"Vertex":                    {oauthError(400, "invalid_request"), codes("invalid_request", "slow_down"), token.ClassThrottled, ""},
		"mapped, 500":               {oauthError(500, "gone"), codes("gone", "invalid_grant"), token.ClassGrantDead, ""},
		"mapped to nothing known":   {oauthError(400, "gone"), codes("gone", "e-18"), token.ClassConfiguration, "gone"},
		"invalid_grant, 500":        {oauthError(500, "invalid_grant"), token.Dialect{}, token.ClassAmbiguous, ""},
		"500":                       {answered(500, "", ""), token.Dialect{}, token.ClassAmbiguous, "500"},
		"503":                       {answered(503, "", ""), token.Dialect{}, token.ClassAmbiguous, "503"},
		"408":                       {answered(408, "", ""), token.Dialect{}, token.ClassAmbiguous, "408"},
		"unknown status":            {answered(599, "", ""), token.Dialect{}, token.ClassAmbiguous, "unknown status"},
		"server_error":              {oauthError(400, "server_error"), token.Dialect{}, token.ClassAmbiguous, ""},
		"temporarily_unavailable":   {oauthError(400, "temporarily_unavailable"), token.Dialect{}, token.ClassAmbiguous, ""},
		"empty":                     {answered(200, json, ""), token.Dialect{}, token.ClassAmbiguous, "empty body"},
		"204":                       {answered(204, "", ""), token.Dialect{}, token.ClassAmbiguous, "empty body"},
		"white space":               {answered(200, json, " \r\n"), token.Dialect{}, token.ClassAmbiguous, "empty body"},
		"cut JSON":                  {answered(200, json, `{"access_token":"at"`), token.Dialect{}, token.ClassAmbiguous, "neither JSON nor a form"},
		"other text":                {answered(200, "", "OK"), token.Dialect{}, token.ClassAmbiguous, "neither JSON nor a form"},
		"JSON that is no object":    {answered(200, json, `["at"]`), token.Dialect{}, token.ClassAmbiguous, ""},
		"no token":                  {answered(200, json, `{"expires_in":1}`), token.Dialect{}, token.ClassAmbiguous, "usable access_token"},
		"a token with a line break": {answered(200, json, `{"access_token":"a\nb"}`), token.Dialect{}, token.ClassAmbiguous, "usable access_token"},
		"a token that is an object": {answered(200, json, `{"access_token":{"a":1}}`), token.Dialect{}, token.ClassAmbiguous, ""},
		"nested where none is":      {answered(200, json, `{"data":{},"token":"at"}`), token.Dialect{AccessTokenPath: "data.token"}, token.ClassAmbiguous, "data.token"},
		"nested error": {
			answered(200, json, `{"data":{"error":{"code":10010,"message":"token is over"}}}`), nested,
			token.ClassGrantDead, "10010 (token is over)",
		},
		"all is well, but": {answered(200, json, `{"data":{"error":{"code":"0"}}}`), nested, token.ClassAmbiguous, ""},
		"error is true":    {answered(400, json, `{"error":true}`), token.Dialect{}, token.ClassConfiguration, "400"},
	} {
		t.Run(name, func(t *testing.T) {
			settings := token.OAuth2{Grant: token.KindRefreshToken, RefreshToken: seal.NewSecret("the-refresh-token"), Dialect: tc.dialect}
			_, err := client.Read(tc.answer, settings, token.Grant{})
			var failure *token.Failure
			require.ErrorAs(t, err, &failure)
			require.Equal(t, tc.want, failure.Class, failure.Message)
			require.Equal(t, token.Reason(tc.want), failure.Reason)
			require.Contains(t, failure.Message, tc.says)
			require.Equal(t, tc.answer.HTTPStatus, failure.HTTPStatus)
			require.Equal(t, tc.answer.EndTime, failure.Time)
			require.True(t, failure.Sent)
		})
	}
	_, err := client.Read(atlassian, token.OAuth2{Grant: token.KindClientCredentials}, token.Grant{})
	var failure *token.Failure
	require.ErrorAs(t, err, &failure)
	require.Equal(t, token.ClassClientBroken, failure.Class, "no refresh token was redeemed")
}

func TestRetryAfter(t *testing.T) {
	client := newClient(t, oauth.Config{})
	end := asked.Add(time.Second)
	for value, want := range map[string]time.Duration{
		"120": 2 * time.Minute, " 120 ": 2 * time.Minute, "0": 0, "": 0, "-1": 0, "1.5": 0, "soon": 0, "99999999999": 0,
		end.Add(time.Hour).Format(http.TimeFormat):  time.Hour,
		end.Add(time.Hour).Format(time.RFC850):      time.Hour,
		end.Add(-time.Hour).Format(http.TimeFormat): 0,
	} {
		answer := answered(429, "", "")
		answer.RetryAfter = value
		_, err := client.Read(answer, token.OAuth2{}, token.Grant{})
		var failure *token.Failure
		require.ErrorAs(t, err, &failure)
		require.Equal(t, want, failure.RetryAfter, value)
	}
}

func TestMessagesAreShortAndPlain(t *testing.T) {
	client := newClient(t, oauth.Config{})
	body := `{"error":"` + strings.Repeat("ä", 100) + `","error_description":"line\nbreak\u0007 ` + strings.Repeat("long ", 1000) + `"}`
	_, err := client.Read(answered(400, "", body), token.OAuth2{}, token.Grant{})
	var failure *token.Failure
	require.ErrorAs(t, err, &failure)
	require.LessOrEqual(t, len(failure.Message), token.MaxMessage)
	require.Contains(t, failure.Message, "line break long")
	require.True(t, strings.HasPrefix(failure.Message, "the authorization server answered 400 Bad Request: ää"))
}
