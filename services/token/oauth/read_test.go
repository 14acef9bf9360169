package oauth_test

import (
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/oauth"
)

var asked = time.Unix(1_800_000_000, 0).UTC()

// answered is an answer to a request that was made at the time asked.
func answered(status int, contentType, body string) token.Answer {
	return token.Answer{StartTime: asked, EndTime: asked.Add(time.Second), HTTPStatus: status, ContentType: contentType, Body: []byte(body)}
}

// jwt returns a token with the given payload; nobody here checks its signature.
func jwt(payload string) string {
	return "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
}

// TestLifetimes is about every spelling of a lifetime. The token is never thrown away because of it.
func TestLifetimes(t *testing.T) {
	client := newClient(t, oauth.Config{})
	const fallback = 20 * time.Minute
	const tenYears = 10 * 366 * 24 * time.Hour
	for name, tc := range map[string]struct {
		members string // beside access_token
		access  string
		dialect token.Dialect
		want    time.Duration
		source  token.ExpirySource
	}{
		"number":               {members: `"expires_in":3600`, want: time.Hour, source: token.ExpiryExpiresIn},
		"string":               {members: `"expires_in":"3600"`, want: time.Hour, source: token.ExpiryExpiresIn},
		"padded string":        {members: `"expires_in":" 3600 "`, want: time.Hour, source: token.ExpiryExpiresIn},
		"float":                {members: `"expires_in":3600.0`, want: time.Hour, source: token.ExpiryExpiresIn},
		"float in a string":    {members: `"expires_in":"3599.5"`, want: time.Hour - time.Second/2, source: token.ExpiryExpiresIn},
		"exponent":             {members: `"expires_in":3.6e3`, want: time.Hour, source: token.ExpiryExpiresIn},
		"with a unit":          {members: `"expires_in":"3600s"`, want: time.Hour, source: token.ExpiryExpiresIn},
		"huge":                 {members: `"expires_in":99999999999999999999`, want: tenYears, source: token.ExpiryExpiresIn},
		"beyond any float":     {members: `"expires_in":1e999`, want: tenYears, source: token.ExpiryExpiresIn},
		"missing":              {members: `"x":1`, want: fallback, source: token.ExpiryDefaultLifetime},
		"null":                 {members: `"expires_in":null`, want: fallback, source: token.ExpiryDefaultLifetime},
		"zero":                 {members: `"expires_in":0`, want: fallback, source: token.ExpiryDefaultLifetime},
		"negative":             {members: `"expires_in":-1`, want: fallback, source: token.ExpiryDefaultLifetime},
		"empty":                {members: `"expires_in":""`, want: fallback, source: token.ExpiryDefaultLifetime},
		"text":                 {members: `"expires_in":"never"`, want: fallback, source: token.ExpiryDefaultLifetime},
		"not a number":         {members: `"expires_in":"NaN"`, want: fallback, source: token.ExpiryDefaultLifetime},
		"boolean":              {members: `"expires_in":true`, want: fallback, source: token.ExpiryDefaultLifetime},
		"object":               {members: `"expires_in":{"seconds":3600}`, want: fallback, source: token.ExpiryDefaultLifetime},
		"milliseconds":         {members: `"expires_in":3600000`, dialect: token.Dialect{ExpiresInUnit: time.Millisecond}, want: time.Hour, source: token.ExpiryExpiresIn},
		"minutes":              {members: `"ttl":{"min":60}`, dialect: token.Dialect{ExpiresInUnit: time.Minute, ExpiresInPath: "ttl.min"}, want: time.Hour, source: token.ExpiryExpiresIn},
		"at, seconds":          {members: `"expires_at":1800003600`, want: time.Hour, source: token.ExpiryExpiresAt},
		"at, fraction":         {members: `"expires_at":"1800003600.5"`, want: time.Hour + time.Second/2, source: token.ExpiryExpiresAt},
		"at, milliseconds":     {members: `"expires_at":1800003600000`, want: time.Hour, source: token.ExpiryExpiresAt},
		"at, RFC 3339":         {members: `"expires_at":"2027-01-15T10:00:00+01:00"`, want: time.Hour, source: token.ExpiryExpiresAt},
		"at, without zone":     {members: `"expires_at":"2027-01-15T09:00:00.000"`, want: time.Hour, source: token.ExpiryExpiresAt},
		"at, elsewhere":        {members: `"access_token_expiration":1800003600`, dialect: token.Dialect{ExpiresAtPath: "access_token_expiration"}, want: time.Hour, source: token.ExpiryExpiresAt},
		"at, past":             {members: `"expires_at":1700000000`, want: fallback, source: token.ExpiryDefaultLifetime},
		"at, nonsense":         {members: `"expires_at":"tomorrow"`, want: fallback, source: token.ExpiryDefaultLifetime},
		"in before at":         {members: `"expires_at":1800000060,"expires_in":3600`, want: time.Hour, source: token.ExpiryExpiresIn},
		"odd in, at":           {members: `"expires_at":1800003600,"expires_in":0`, want: time.Hour, source: token.ExpiryExpiresAt},
		"JWT":                  {members: `"x":1`, access: jwt(`{"exp":1800003600}`), want: time.Hour, source: token.ExpiryJWT},
		"JWT, fraction":        {members: `"x":1`, access: jwt(`{"exp":1800003600.25}`), want: time.Hour + time.Second/4, source: token.ExpiryJWT},
		"JWT, string":          {members: `"x":1`, access: jwt(`{"exp":"1800003600"}`), want: time.Hour, source: token.ExpiryJWT},
		"JWT ends first":       {members: `"expires_in":7200`, access: jwt(`{"exp":1800003600}`), want: time.Hour, source: token.ExpiryJWT},
		"JWT ends later":       {members: `"expires_in":1800`, access: jwt(`{"exp":1800003600}`), want: time.Hour / 2, source: token.ExpiryExpiresIn},
		"JWT of another clock": {members: `"x":1`, access: jwt(`{"iat":1700000000,"exp":1700003600}`), want: time.Hour, source: token.ExpiryJWT},
		"JWT without end":      {members: `"x":1`, access: jwt(`{"iat":1700000000}`), want: fallback, source: token.ExpiryDefaultLifetime},
		"JWT in milliseconds":  {members: `"x":1`, access: jwt(`{"exp":1800003600000}`), want: fallback, source: token.ExpiryDefaultLifetime},
		"not a JWT":            {members: `"x":1`, access: "a.b.c", want: fallback, source: token.ExpiryDefaultLifetime},
	} {
		t.Run(name, func(t *testing.T) {
			access := tc.access
			if access == "" {
				access = "opaque"
			}
			settings := token.OAuth2{Dialect: tc.dialect, Policy: token.Policy{DefaultLifetime: fallback}}
			issued, err := client.Read(answered(200, "application/json", fmt.Sprintf(`{"access_token":%q,%s}`, access, tc.members)), settings, token.Grant{})
			require.NoError(t, err)
			require.Equal(t, tc.want, issued.ExpireTime.Sub(asked))
			require.Equal(t, tc.source, issued.ExpirySource)
			require.Equal(t, asked, issued.IssueTime)
		})
	}
}

// TestDocuments is about every form that an answer with a token can have.
func TestDocuments(t *testing.T) {
	client := newClient(t, oauth.Config{})
	const json = "application/json"
	for name, tc := range map[string]struct {
		answer  token.Answer
		dialect token.Dialect
		want    token.Issued // of it AccessToken, RefreshToken, TokenType, Scopes
	}{
		"as it should be": {
			answered(200, json, `{"access_token":"at","token_type":"Bearer","scope":"a b","refresh_token":"rt"}`),
			token.Dialect{},
			token.Issued{RefreshToken: seal.NewSecret("rt"), TokenType: "Bearer", Scopes: []string{"a", "b"}},
		},
		"201":                   {answered(201, json, `{"access_token":"at"}`), token.Dialect{}, token.Issued{}},
		"lower-case type":       {answered(200, json, `{"access_token":"at","token_type":"bearer"}`), token.Dialect{}, token.Issued{}},
		"upper-case type":       {answered(200, json, `{"access_token":"at","token_type":"BEARER"}`), token.Dialect{}, token.Issued{}},
		"odd type":              {answered(200, json, `{"access_token":"at","token_type":"BearerToken"}`), token.Dialect{}, token.Issued{}},
		"type of an exchange":   {answered(200, json, `{"access_token":"at","token_type":"N_A"}`), token.Dialect{}, token.Issued{}},
		"a type that is none":   {answered(200, json, `{"access_token":"at","token_type":"not a scheme"}`), token.Dialect{}, token.Issued{}},
		"a type that is a list": {answered(200, json, `{"access_token":"at","token_type":["Bearer"]}`), token.Dialect{}, token.Issued{}},
		"another type":          {answered(200, json, `{"access_token":"at","token_type":"MAC"}`), token.Dialect{}, token.Issued{TokenType: "MAC"}},
		"form": {
			answered(200, "application/x-www-form-urlencoded", "access_token=at&scope=a+b&refresh_token=rt"),
			token.Dialect{},
			token.Issued{RefreshToken: seal.NewSecret("rt"), Scopes: []string{"a", "b"}},
		},
		"form said to be JSON":  {answered(200, json, "access_token=at&token_type=bearer"), token.Dialect{}, token.Issued{}},
		"form said to be HTML":  {answered(200, "text/html", "access_token=at&token_type=bearer"), token.Dialect{}, token.Issued{}},
		"form of another name":  {answered(200, "", "token=at"), token.Dialect{AccessTokenPath: "token"}, token.Issued{}},
		"JSON said to be text":  {answered(200, "text/plain", `{"access_token":"at"}`), token.Dialect{}, token.Issued{}},
		"JSON said to be HTML":  {answered(200, "text/html; charset=utf-8", `{"access_token":"at"}`), token.Dialect{}, token.Issued{}},
		"no type at all":        {answered(200, "", "\xef\xbb\xbf  {\"access_token\":\"at\"}\r\n"), token.Dialect{}, token.Issued{}},
		"something behind":      {answered(200, json, `{"access_token":"at"} <!-- 3 ms -->`), token.Dialect{}, token.Issued{}},
		"numeric error":         {answered(200, json, `{"error":0,"access_token":"at"}`), token.Dialect{}, token.Issued{}},
		"empty error":           {answered(200, json, `{"error":"","access_token":"at"}`), token.Dialect{}, token.Issued{}},
		"error beside a token":  {answered(200, json, `{"error":"deprecated","access_token":"at"}`), token.Dialect{}, token.Issued{}},
		"token is a number":     {answered(200, json, `{"access_token":12345}`), token.Dialect{}, token.Issued{AccessToken: seal.NewSecret("12345")}},
		"scopes by comma":       {answered(200, json, `{"access_token":"at","scope":"a,b, c"}`), token.Dialect{}, token.Issued{Scopes: []string{"a", "b", "c"}}},
		"scopes in an array":    {answered(200, json, `{"access_token":"at","scope":["a","b c",1]}`), token.Dialect{}, token.Issued{Scopes: []string{"a", "b", "c"}}},
		"scopes are no scopes":  {answered(200, json, `{"access_token":"at","scope":{"a":true}}`), token.Dialect{}, token.Issued{}},
		"scopes by another":     {answered(200, json, `{"access_token":"at","scope":"a|b"}`), token.Dialect{ScopeSeparator: "|"}, token.Issued{Scopes: []string{"a", "b"}}},
		"refresh token is null": {answered(200, json, `{"access_token":"at","refresh_token":null}`), token.Dialect{}, token.Issued{}},
		"nested": {
			answered(200, json, `{"data":{"access_token":"at","token_type":"MAC","refresh":{"token":"rt"},"scopes":["a"]}}`),
			token.Dialect{AccessTokenPath: "data.access_token", RefreshTokenPath: "data.refresh.token", ScopePath: "data.scopes"},
			token.Issued{RefreshToken: seal.NewSecret("rt"), TokenType: "MAC", Scopes: []string{"a"}},
		},
		"dots in the name": {answered(200, json, `{"oauth.token":"at","oauth":{"token":"no"}}`), token.Dialect{AccessTokenPath: "oauth.token"}, token.Issued{}},
		"two tokens": {
			answered(200, json, `{"ok":true,"access_token":"bot","authed_user":{"access_token":"at","refresh_token":"rt"}}`),
			token.Dialect{AccessTokenPath: "authed_user.access_token", RefreshTokenPath: "authed_user.refresh_token"},
			token.Issued{RefreshToken: seal.NewSecret("rt")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			issued, err := client.Read(tc.answer, token.OAuth2{Scopes: []string{"asked"}, Dialect: tc.dialect}, token.Grant{})
			require.NoError(t, err)
			want := tc.want
			if want.AccessToken.IsZero() {
				want.AccessToken = seal.NewSecret("at")
			}
			if want.TokenType == "" {
				want.TokenType = "Bearer"
			}
			if want.Scopes == nil {
				want.Scopes = []string{"asked"}
			}
			require.Equal(t, want.AccessToken.Reveal(), issued.AccessToken.Reveal())
			require.Equal(t, want.RefreshToken.Reveal(), issued.RefreshToken.Reveal())
			require.Equal(t, want.TokenType, issued.TokenType)
			require.Equal(t, want.Scopes, issued.Scopes)
		})
	}
}

func TestTheRefreshTokensLifetime(t *testing.T) {
	client := newClient(t, oauth.Config{})
	for name, tc := range map[string]struct {
		members string
		dialect token.Dialect
		want    time.Duration
	}{
		"standard":     {`"refresh_token_expires_in":86400`, token.Dialect{}, 24 * time.Hour},
		"Keycloak":     {`"refresh_expires_in":"86400"`, token.Dialect{}, 24 * time.Hour},
		"Intuit":       {`"x_refresh_token_expires_in":86400`, token.Dialect{}, 24 * time.Hour},
		"elsewhere":    {`"r":{"ms":86400000}`, token.Dialect{RefreshExpiresInPath: "r.ms", ExpiresInUnit: time.Millisecond}, 24 * time.Hour},
		"only there":   {`"refresh_expires_in":86400`, token.Dialect{RefreshExpiresInPath: "r"}, 0},
		"none":         {`"x":1`, token.Dialect{}, 0},
		"zero is none": {`"refresh_expires_in":0`, token.Dialect{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			issued, err := client.Read(answered(200, "", `{"access_token":"at",`+tc.members+`}`), token.OAuth2{Dialect: tc.dialect}, token.Grant{})
			require.NoError(t, err)
			if tc.want == 0 {
				require.Zero(t, issued.RefreshExpireTime)
				return
			}
			require.Equal(t, tc.want, issued.RefreshExpireTime.Sub(asked))
		})
	}
}

// TestQuirksOfAServer reads real answers of the demo's server in its odd moods.
func TestQuirksOfAServer(t *testing.T) {
	for name, tc := range map[string]struct {
		quirks  authserver.Quirks
		dialect token.Dialect
	}{
		"form":         {authserver.Quirks{Body: authserver.BodyForm, TokenType: "bearer"}, token.Dialect{}},
		"nested":       {authserver.Quirks{Body: authserver.BodyNested}, token.Dialect{AccessTokenPath: "data.access_token", ExpiresInPath: "data.expires_in"}},
		"201":          {authserver.Quirks{Status: 201}, token.Dialect{}},
		"milliseconds": {authserver.Quirks{ExpiresIn: authserver.ExpiresInMilliseconds}, token.Dialect{ExpiresInUnit: time.Millisecond}},
		"camel case": {
			authserver.Quirks{ExpiresIn: authserver.ExpiresInMissing, ExpiresAt: authserver.ExpiresAtRFC3339, Names: map[string]string{"access_token": "accessToken", "expires_at": "expiresAt"}},
			token.Dialect{AccessTokenPath: "accessToken", ExpiresAtPath: "expiresAt"},
		},
		"text, then the JWT": {authserver.Quirks{ExpiresIn: authserver.ExpiresInText}, token.Dialect{}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSuite(t)
			s.auth.SetQuirks(tc.quirks)
			settings := s.settings(token.KindClientCredentials)
			settings.Dialect = tc.dialect
			issued := s.obtain(settings, token.Grant{})
			require.WithinDuration(t, time.Now().Add(time.Hour), issued.ExpireTime, 10*time.Second)
		})
	}
}

// TestRefreshAnswersWithoutNesting: Slack nests the token of a user in the answer to a code, and not in the answer to a refresh.
func TestRefreshAnswersWithoutNesting(t *testing.T) {
	client := newClient(t, oauth.Config{})
	settings := token.OAuth2{Grant: token.KindAuthorizationCode, Dialect: token.Dialect{
		AccessTokenPath: "authed_user.access_token", RefreshTokenPath: "authed_user.refresh_token", ExpiresInPath: "authed_user.expires_in",
	}}
	answer := answered(200, "application/json", `{"ok":true,"access_token":"at","refresh_token":"rt","expires_in":43200,"token_type":"user"}`)

	issued, err := client.Read(answer, settings, token.Grant{RefreshToken: seal.NewSecret("old")})
	require.NoError(t, err)
	require.Equal(t, "at", issued.AccessToken.Reveal())
	require.Equal(t, "rt", issued.RefreshToken.Reveal())
	require.Equal(t, 12*time.Hour, issued.ExpireTime.Sub(issued.IssueTime))

	_, err = client.Read(answer, settings, token.Grant{})
	require.Error(t, err, "the bot's token is not the user's")
}
