package oauth_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/token"
)

var (
	begun    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	answered = begun.Add(200 * time.Millisecond)
)

func answer(status int, contentType, body string) token.Answer {
	return token.Answer{StartTime: begun, EndTime: answered, HTTPStatus: status, ContentType: contentType, Body: []byte(body)}
}

// jwt is a token with the given claims, and a signature that nobody looks at.
func jwt(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + "." + encode([]byte("sig"))
}

func TestReadTokens(t *testing.T) {
	asked := token.OAuth2{Scopes: []string{"asked"}}
	for name, test := range map[string]struct {
		answer      token.Answer
		access, typ string
		scopes      []string
	}{
		"RFC 6749":          {answer(200, "application/json", `{"access_token":"t","token_type":"Bearer","expires_in":3600,"scope":"a b"}`), "t", "Bearer", []string{"a", "b"}},
		"nothing else":      {answer(200, "application/json", `{"access_token":"t"}`), "t", "Bearer", []string{"asked"}},
		"odd everything":    {answer(200, "", "\xef\xbb\xbf \n"+`{"access_token":" t\n","token_type":7,"expires_in":{},"scope":null,"refresh_token":[],"error":0}`), "t", "7", []string{"asked"}},
		"error is empty":    {answer(200, "application/json", `{"access_token":"t","error":"","error_description":null}`), "t", "Bearer", []string{"asked"}},
		"number":            {answer(200, "application/json", `{"access_token":12345678901234567890}`), "12345678901234567890", "Bearer", []string{"asked"}},
		"scopes in array":   {answer(200, "application/json", `{"access_token":"t","scope":["a","b c",1]}`), "t", "Bearer", []string{"a", "b", "c"}},
		"scopes by commas":  {answer(200, "application/json", `{"access_token":"t","scope":"a,b"}`), "t", "Bearer", []string{"a", "b"}},
		"form":              {answer(200, "application/x-www-form-urlencoded", "access_token=t&token_type=bearer&scope=a+b&expires_in=60"), "t", "Bearer", []string{"a", "b"}},
		"form, said JSON":   {answer(200, "application/json", "access_token=t"), "t", "Bearer", []string{"asked"}},
		"JSON, said page":   {answer(200, "text/html; charset=utf-8", `{"access_token":"t"}`), "t", "Bearer", []string{"asked"}},
		"created":           {answer(201, "application/json", `{"access_token":"t"}`), "t", "Bearer", []string{"asked"}},
		"bearer token":      {answer(200, "application/json", `{"access_token":"t","token_type":"BearerToken"}`), "t", "Bearer", []string{"asked"}},
		"other type":        {answer(200, "application/json", `{"access_token":"t","token_type":"DPoP"}`), "t", "DPoP", []string{"asked"}},
		"impossible type":   {answer(200, "application/json", `{"access_token":"t","token_type":"a\r\nb"}`), "t", "Bearer", []string{"asked"}},
		"unknown members":   {answer(200, "application/json", `{"access_token":"t","deep":{"x":[1,{"y":null}]}}`), "t", "Bearer", []string{"asked"}},
		"error beside":      {answer(200, "application/json", `{"access_token":"t","error":"warning"}`), "t", "Bearer", []string{"asked"}},
		"duplicated member": {answer(200, "application/json", `{"access_token":"s","access_token":"t"}`), "t", "Bearer", []string{"asked"}},
	} {
		got, err := newClient(t, nil).Read(test.answer, asked)
		require.NoError(t, err, name)
		require.Equal(t, test.access, got.AccessToken.Reveal(), name)
		require.Equal(t, test.typ, got.TokenType, name)
		require.Equal(t, test.scopes, got.Scopes, name)
		require.Equal(t, begun, got.IssueTime, name)
		require.True(t, got.ExpireTime.After(begun), name)
	}
	got, err := newClient(t, nil).Read(answer(200, "", `{"access_token":"t","refresh_token":"r"}`), asked)
	require.NoError(t, err)
	require.Equal(t, "r", got.RefreshToken.Reveal())
}

func TestReadRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		answer token.Answer
		class  token.Class
	}{
		"empty":              {answer(200, "application/json", ""), token.ClassAmbiguous},
		"no content":         {answer(204, "", ""), token.ClassAmbiguous},
		"no token":           {answer(200, "application/json", `{"token_type":"Bearer"}`), token.ClassAmbiguous},
		"null token":         {answer(200, "application/json", `{"access_token":null}`), token.ClassAmbiguous},
		"token with a break": {answer(200, "application/json", `{"access_token":"a\r\nb"}`), token.ClassAmbiguous},
		"token is an object": {answer(200, "application/json", `{"access_token":{}}`), token.ClassAmbiguous},
		"array":              {answer(200, "application/json", `["access_token"]`), token.ClassAmbiguous},
		"text":               {answer(200, "text/plain", "OK"), token.ClassAmbiguous},
		"two documents":      {answer(200, "application/json", `{"access_token":"a"}{"access_token":"b"}`), token.ClassAmbiguous},
		"error as 200":       {answer(200, "application/json", `{"ok":false,"error":"invalid_grant"}`), token.ClassGrantDead},
		"error in a form":    {answer(200, "application/x-www-form-urlencoded", "error=bad_refresh_token&error_description=x"), token.ClassGrantDead},
		"token with 400":     {answer(400, "application/json", `{"access_token":"t"}`), token.ClassConfiguration},
		"token with 500":     {answer(500, "application/json", `{"access_token":"t"}`), token.ClassAmbiguous},
		"upper case code":    {answer(400, "application/json", `{"error":"INVALID_CLIENT"}`), token.ClassClientBroken},
		"error is an object": {answer(400, "application/json", `{"error":{"code":1}}`), token.ClassConfiguration},
		"unknown as 200":     {answer(200, "application/json", `{"error":"moon_phase"}`), token.ClassAmbiguous},
		"temporarily":        {answer(400, "application/json", `{"error":"temporarily_unavailable"}`), token.ClassAmbiguous},
		"XML":                {answer(200, "application/xml", `<?xml version="1.0"?><error/>`), token.ClassConfiguration},
		"unknown status":     {answer(299, "", ""), token.ClassAmbiguous},
		"unknown 4xx":        {answer(499, "", ""), token.ClassConfiguration},
	} {
		_, err := newClient(t, nil).Read(test.answer, token.OAuth2{})
		failure := failureOf(t, err)
		require.Equal(t, test.class, failure.Class, name)
		require.Equal(t, answered, failure.Time, name)
		require.True(t, failure.Sent, name)
	}
}

func TestMessagesAreCleanAndBounded(t *testing.T) {
	body := fmt.Sprintf(`{"error":%q,"error_description":%q}`, strings.Repeat("e", 1000), "\u202e\x00\x1b[31m"+strings.Repeat("ü", 1000))
	_, err := newClient(t, nil).Read(answer(400, "application/json", body), token.OAuth2{})
	failure := failureOf(t, err)
	require.Less(t, len(failure.Message), token.MaxMessage)
	require.NotContains(t, failure.Message, "\x1b")
	require.NotContains(t, failure.Message, "\u202e")
}

func TestRetryAfterForms(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"120":                            2 * time.Minute,
		" 7 ":                            7 * time.Second,
		"-1":                             0,
		"1.5":                            0,
		"soon":                           0,
		"99999999999999999999":           0,
		"Sun, 01 Mar 2026 12:01:00 GMT":  time.Minute - 200*time.Millisecond,
		"Sunday, 01-Mar-26 12:01:00 GMT": time.Minute - 200*time.Millisecond,
		"Sun, 01 Mar 2026 11:59:00 GMT":  0,
	} {
		throttled := answer(429, "", "")
		throttled.RetryAfter = value
		_, err := newClient(t, nil).Read(throttled, token.OAuth2{})
		failure := failureOf(t, err)
		require.Equal(t, want, failure.RetryAfter, value)
		require.Equal(t, token.ClassThrottled, failure.Class)
	}
}

func TestExpiry(t *testing.T) {
	exp := func(d time.Duration) string {
		return fmt.Sprintf(`{"exp":%d,"iat":%d}`, begun.Add(d).Unix(), begun.Unix())
	}
	const years10 = 10 * 366 * 24 * time.Hour
	for name, test := range map[string]struct {
		expiresIn string // member, empty for none
		access    string
		fallback  time.Duration
		want      time.Duration // from the beginning of the request
		source    token.ExpirySource
	}{
		"number":          {"3600", "opaque", 0, time.Hour, token.ExpiryExpiresIn},
		"float":           {"3600.0", "opaque", 0, time.Hour, token.ExpiryExpiresIn},
		"fraction":        {"1.5", "opaque", 0, 1500 * time.Millisecond, token.ExpiryExpiresIn},
		"exponent":        {"3.6e3", "opaque", 0, time.Hour, token.ExpiryExpiresIn},
		"string":          {`"3600"`, "opaque", 0, time.Hour, token.ExpiryExpiresIn},
		"string fraction": {`" 3600.0 "`, "opaque", 0, time.Hour, token.ExpiryExpiresIn},
		"huge":            {"1e300", "opaque", 0, years10, token.ExpiryExpiresIn},
		"too huge":        {"1e999", "opaque", 0, years10, token.ExpiryExpiresIn},
		"missing":         {"", "opaque", 0, time.Hour, token.ExpiryDefaultLifetime},
		"null":            {"null", "opaque", 2 * time.Hour, 2 * time.Hour, token.ExpiryDefaultLifetime},
		"zero":            {"0", "opaque", 0, time.Hour, token.ExpiryDefaultLifetime},
		"negative":        {"-5", "opaque", 0, time.Hour, token.ExpiryDefaultLifetime},
		"text":            {`"never"`, "opaque", 0, time.Hour, token.ExpiryDefaultLifetime},
		"not a number":    {`"NaN"`, "opaque", 0, time.Hour, token.ExpiryDefaultLifetime},
		"boolean":         {"true", "opaque", 0, time.Hour, token.ExpiryDefaultLifetime},
		"too short":       {"1e-30", "opaque", 0, time.Hour, token.ExpiryDefaultLifetime},

		"claim":                   {"", jwt(exp(time.Minute)), 0, time.Minute, token.ExpiryJWT},
		"claim is earlier":        {"3600", jwt(exp(time.Minute)), 0, time.Minute, token.ExpiryJWT},
		"claim is later":          {"60", jwt(exp(time.Hour)), 0, time.Minute, token.ExpiryExpiresIn},
		"milliseconds":            {"60000", jwt(exp(time.Minute)), 0, time.Minute, token.ExpiryJWT},
		"clocks differ":           {"", jwt(fmt.Sprintf(`{"exp":%d,"iat":%d}`, begun.Add(-time.Hour).Unix(), begun.Add(-2*time.Hour).Unix())), 0, time.Hour, token.ExpiryJWT},
		"claim has passed":        {"600", jwt(fmt.Sprintf(`{"exp":%d}`, begun.Unix())), 0, 10 * time.Minute, token.ExpiryExpiresIn},
		"claim with fraction":     {"", jwt(fmt.Sprintf(`{"exp":%d.5}`, begun.Add(time.Minute).Unix())), 0, time.Minute + 500*time.Millisecond, token.ExpiryJWT},
		"claim is text":           {"600", jwt(`{"exp":"tomorrow"}`), 0, 10 * time.Minute, token.ExpiryExpiresIn},
		"claim is nonsense":       {"600", jwt(`{"exp":1e300}`), 0, 10 * time.Minute, token.ExpiryExpiresIn},
		"claim in far future":     {"", jwt(`{"exp":253402300799}`), 0, years10, token.ExpiryJWT},
		"no claim":                {"600", jwt(`{}`), 0, 10 * time.Minute, token.ExpiryExpiresIn},
		"not JSON":                {"600", jwt(`exp`), 0, 10 * time.Minute, token.ExpiryExpiresIn},
		"three parts, not a JWT":  {"600", "a.b!.c", 0, 10 * time.Minute, token.ExpiryExpiresIn},
		"five parts, a JWE":       {"600", "a.b.c.d.e", 0, 10 * time.Minute, token.ExpiryExpiresIn},
		"claim wins over nothing": {`"never"`, jwt(exp(time.Minute)), time.Second, time.Minute, token.ExpiryJWT},
	} {
		body := `{"access_token":"` + test.access + `"`
		if test.expiresIn != "" {
			body += `,"expires_in":` + test.expiresIn
		}
		got, err := newClient(t, nil).Read(answer(200, "application/json", body+"}"), token.OAuth2{DefaultLifetime: test.fallback})
		require.NoError(t, err, name)
		require.Equal(t, test.want, got.ExpireTime.Sub(begun), name)
		require.Equal(t, test.source, got.ExpirySource, name)
	}
}

// FuzzRead reads any answer: it is a token that can be used and that ends, or a failure of a known class, and never both.
func FuzzRead(f *testing.F) {
	for _, body := range []string{
		``, `{}`, `{"access_token":"t","expires_in":3600}`, `{"access_token":"t","expires_in":"1e400","scope":[["a"]]}`,
		`{"error":"invalid_grant","error_description":"x"}`, "access_token=a&expires_in=-1", "<html>", "\xef\xbb\xbf{", `{"access_token":"` + jwt(`{"exp":1e20}`) + `"}`,
		`{"access_token":"` + jwt(`{"exp":1.5,"iat":-1}`) + `","expires_in":1e-9}`, "null", "[1]", `"a"`, "\x00",
	} {
		for _, status := range []int{200, 204, 301, 400, 401, 429, 503, 0, -1, 1000} {
			f.Add(status, "application/json", "7", body)
		}
	}
	f.Add(503, "text/html", "Sun, 01 Mar 2026 12:01:00 GMT", "x")
	f.Fuzz(func(t *testing.T, status int, contentType, retryAfter, body string) {
		a := answer(status, contentType, body)
		a.RetryAfter = retryAfter
		got, err := newClient(t, nil).Read(a, token.OAuth2{Scopes: []string{"asked"}})
		if err != nil {
			failure := failureOf(t, err)
			require.True(t, got.AccessToken.IsZero())
			require.GreaterOrEqual(t, failure.RetryAfter, time.Duration(0))
			require.Contains(t, []token.Class{
				token.ClassGrantDead, token.ClassClientBroken, token.ClassConfiguration, token.ClassThrottled, token.ClassAmbiguous,
			}, failure.Class)
			return
		}
		require.True(t, status >= 200 && status <= 299)
		access := got.AccessToken.Reveal()
		require.NotEmpty(t, access)
		require.NotContains(t, access, "\n")
		require.NotContains(t, got.TokenType, " ")
		require.NotEmpty(t, got.TokenType)
		require.True(t, got.ExpireTime.After(begun))
		require.LessOrEqual(t, got.ExpireTime.Sub(begun), 10*366*24*time.Hour)
		require.NotEmpty(t, got.ExpirySource)
		require.NotEmpty(t, got.Scopes)
	})
}

// FuzzExpiry infers from any expires_in and any claims an end that lies in the future.
func FuzzExpiry(f *testing.F) {
	for _, expiresIn := range []string{"3600", `"3600"`, "null", "-1", "0.0000000001", "1e309", `{}`, `"0x10"`, `"1_000"`, `"Inf"`} {
		for _, claims := range []string{`{}`, `{"exp":1772366400}`, `{"exp":1772366400,"iat":1}`, `{"exp":1e19}`, `{"exp":-1}`, `[]`, "\xff"} {
			f.Add(expiresIn, claims, int64(time.Hour))
		}
	}
	f.Fuzz(func(t *testing.T, expiresIn, claims string, fallback int64) {
		body := `{"access_token":"` + jwt(claims) + `","expires_in":` + expiresIn + `}`
		got, err := newClient(t, nil).Read(answer(200, "application/json", body), token.OAuth2{DefaultLifetime: time.Duration(fallback)})
		if err != nil {
			return // expiresIn is no JSON value
		}
		require.True(t, got.ExpireTime.After(begun), got.ExpireTime)
		if got.ExpirySource != token.ExpiryDefaultLifetime {
			require.LessOrEqual(t, got.ExpireTime.Sub(begun), 10*366*24*time.Hour)
		}
	})
}
