package oauth

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
)

// FuzzRead reads any answer in any dialect: there is a usable token or a failure with a class, and no secret is told.
func FuzzRead(f *testing.F) {
	for _, body := range []string{
		`{"access_token":"at","token_type":"bearer","expires_in":3600,"refresh_token":"rt","scope":"a b"}`,
		`{"data":{"access_token":"at","expires_in":"3600.5"}}`,
		`{"access_token":"eyJhbGciOiJub25lIn0.eyJleHAiOjE4MDAwMDM2MDAuMjV9.c2ln","expires_at":"2027-01-15T09:00:00Z"}`,
		`{"ok":false,"error":"invalid_refresh_token"}`, `{"error":{"code":10010},"error_description":"the-refresh-token"}`, `{"error":0,"access_token":1e400}`,
		"access_token=at&expires_in=1e3&scope=a,b", "error=slow_down", "\xef\xbb\xbf{}", "<html>", "", "[", `{"access_token":"\ud800"}`,
	} {
		f.Add(200, "application/json", body, "", "data.access_token", "error.code", "")
		f.Add(400, "text/html", body, "120", "", "", ",")
	}
	f.Add(503, "", "", "Fri, 15 Jan 2027 09:00:00 GMT", "..", ".", "\x00")
	var client Client
	f.Fuzz(func(t *testing.T, status int, contentType, body, retryAfter, accessPath, errorPath, separator string) {
		start := time.Unix(1_800_000_000, 0)
		answer := token.Answer{
			StartTime: start, EndTime: start.Add(time.Second), HTTPStatus: status, ContentType: contentType, RetryAfter: retryAfter, Body: []byte(body),
		}
		settings := token.OAuth2{
			Grant: token.KindRefreshToken, ClientID: "c", ClientSecret: seal.NewSecret("the-client-secret"), Scopes: []string{"asked"},
			Dialect: token.Dialect{AccessTokenPath: accessPath, ErrorPath: errorPath, ScopeSeparator: separator, ErrorCodes: map[string]string{"10010": "invalid_grant"}},
		}
		issued, err := client.Read(answer, settings, token.Grant{RefreshToken: seal.NewSecret("the-refresh-token")})
		if err == nil {
			require.GreaterOrEqual(t, status, 200)
			require.Less(t, status, 300)
			require.True(t, usable(issued.AccessToken.Reveal()))
			require.True(t, issued.ExpireTime.After(start))
			require.False(t, issued.ExpireTime.After(start.Add(maxLifetime)))
			require.NotEmpty(t, issued.ExpirySource)
			require.NotEmpty(t, issued.Scopes)
			value := issued.TokenType + " " + issued.AccessToken.Reveal()
			request := http.Request{Header: http.Header{"Authorization": {value}}}
			require.Equal(t, value, strings.TrimSpace(request.Header.Get("Authorization")))
			return
		}
		var failure *token.Failure
		require.ErrorAs(t, err, &failure)
		require.NotEmpty(t, failure.Class)
		require.Equal(t, string(failure.Class), string(failure.Reason))
		require.GreaterOrEqual(t, failure.RetryAfter, time.Duration(0))
		require.LessOrEqual(t, len(failure.Message), token.MaxMessage)
		require.True(t, utf8.ValidString(failure.Message))
		require.NotContains(t, failure.Message, "the-client-secret")
		require.NotContains(t, failure.Message, "the-refresh-token")
		_ = refusesClient(answer, settings.Dialect)
	})
}

// FuzzExpiry infers the expiry from any values: it is after the request and within bounds, whatever they are.
func FuzzExpiry(f *testing.F) {
	for _, value := range []string{"3600", `"3600"`, "3600.0", "3.6e3", "1e999", "-1", "0", "null", `"never"`, `"1h"`, "true", "1e-9", "[]"} {
		f.Add(value, "1800003600", `{"exp":1800003600.25}`, int64(time.Second), int64(0))
	}
	for _, value := range []string{"1800003600000", `"2027-01-15T09:00:00Z"`, `"2027-01-15 09:00:00"`, `"0001-01-01T00:00:00Z"`, "253402300799"} {
		f.Add("", value, `{"iat":1700000000,"exp":"1700003600"}`, int64(time.Millisecond), int64(time.Hour))
	}
	f.Add("9223372036854775807", "9223372036854775807", `{"exp":253402300799}`, int64(math.MaxInt64), int64(-1))
	f.Fuzz(func(t *testing.T, in, at, claims string, unit, fallback int64) {
		members := fields{}
		for name, text := range map[string]string{"expires_in": in, "expires_at": at} {
			decoder := json.NewDecoder(strings.NewReader(text))
			decoder.UseNumber()
			var value any
			if decoder.Decode(&value) == nil {
				members[name] = value
			}
		}
		d := document{fields: members, dialect: token.Dialect{ExpiresInUnit: time.Duration(unit)}}
		access := "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + "."
		start := time.Unix(1_800_000_000, 0)
		expire, source := d.expiry(start, start.Add(time.Second), access, time.Duration(fallback))
		require.True(t, expire.After(start))
		switch source {
		case token.ExpiryExpiresIn, token.ExpiryExpiresAt, token.ExpiryJWT:
			require.False(t, expire.After(start.Add(maxLifetime)))
		case token.ExpiryDefaultLifetime:
			want := time.Duration(fallback)
			if want <= 0 {
				want = token.DefaultLifetime
			}
			require.Equal(t, start.Add(want), expire)
		default:
			require.Fail(t, "no source", source)
		}
	})
}

// FuzzLookup looks up any path in any document: what is found is what the names lead to, one by one.
func FuzzLookup(f *testing.F) {
	for _, path := range []string{"a", "a.b", "a.b.c", "", ".", "a.", ".a", "a..b", "oauth.token"} {
		f.Add(`{"a":{"b":{"c":"x"},"":1},"":{"a":2},"oauth.token":"dots"}`, path)
	}
	f.Add(`{"a":[{"b":1}]}`, "a.0.b")
	f.Fuzz(func(t *testing.T, body, path string) {
		members, ok := parseJSON([]byte(body))
		if !ok {
			return
		}
		found := members.lookup(path)
		if value, literal := members[path]; literal {
			require.Equal(t, value, found)
			return
		}
		var at any = map[string]any(members)
		for name := range strings.SplitSeq(path, ".") {
			object, _ := at.(map[string]any)
			at = object[name]
		}
		require.Equal(t, at, found)
		require.NotContains(t, text(found), "\n\x00\n")
		_ = scopes(found, " ")
	})
}

// FuzzRetryAfter reads any value of the header: never a time before now, and no more than the header can say.
func FuzzRetryAfter(f *testing.F) {
	for _, value := range []string{"120", "0", "-1", "4294967296", "Fri, 15 Jan 2027 09:00:00 GMT", "Friday, 15-Jan-27 09:00:00 GMT", "soon", ""} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		require.GreaterOrEqual(t, retryAfter(value, time.Unix(1_800_000_000, 0)), time.Duration(0))
	})
}
