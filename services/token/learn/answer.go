package learn

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/token"
)

// member returns what an answer has at a path of member names; nil if it has nothing there, or is no JSON.
func member(body []byte, path string) any {
	var value any
	if json.Unmarshal(body, &value) != nil {
		return nil
	}
	for name := range strings.SplitSeq(path, ".") {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[name]
	}
	return value
}

// number reads a number, also one that is written as text.
func number(value any) (float64, bool) {
	switch v := value.(type) {
	case float64:
		return v, true
	case string:
		n, err := strconv.ParseFloat(v, 64)
		return n, err == nil
	default:
		return 0, false
	}
}

func orDefault(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}

// units are the units in which servers state lifetimes, the usual one first.
func units() []struct {
	name   string
	length time.Duration
} {
	return []struct {
		name   string
		length time.Duration
	}{{"SECONDS", time.Second}, {"MILLISECONDS", time.Millisecond}, {"MINUTES", time.Minute}}
}

// longest is the longest life of an access token that is taken for seconds without a second look: a year.
const longest = 366 * 24 * time.Hour

// lifetimes learns from the first answer what it says of time.
func (r *lesson) lifetimes(answer token.Answer, first pair) {
	dialect := r.subject.Settings.Dialect
	r.TokenType = "Bearer"
	if text, ok := member(answer.Body, "token_type").(string); ok {
		r.TokenType = text
	}
	r.saw("api.authorization_scheme", "the token's type is "+strconv.Quote(clip(r.TokenType)))
	if n, ok := number(member(answer.Body, orDefault(dialect.RefreshExpiresInPath, "refresh_token_expires_in"))); ok && n > 0 {
		r.RefreshLifetime = time.Duration(min(n, 100*longest.Seconds())) * time.Second
		r.saw("rotation.max_idle", "the answer names a lifetime of the refresh token: "+r.RefreshLifetime.String())
	}
	path := orDefault(dialect.ExpiresInPath, "expires_in")
	stated, ok := number(member(answer.Body, path))
	if !ok || stated <= 0 {
		r.cannotTell("lifetime", "the answer names no lifetime at "+path)
		return
	}
	end, isJWT := expiryOf(first.access.Reveal())
	for _, unit := range units() {
		lifetime := time.Duration(min(stated*float64(unit.length), float64(100*longest)))
		deviation := end.Sub(answer.EndTime.Add(lifetime)).Abs()
		switch {
		case isJWT && deviation <= max(lifetime/10, 5*time.Second):
			r.saw("token.response.expires_in_unit", fmt.Sprintf("%s is in %s: the token itself ends then", path, strings.ToLower(unit.name)))
		case !isJWT && lifetime <= longest:
			r.cannotTell("token.response.expires_in_unit", fmt.Sprintf("%s is taken for %s; the token does not say when it ends",
				path, strings.ToLower(unit.name)))
		default:
			continue
		}
		r.Lifetime, r.LifetimeUnit = lifetime, unit.name
		r.saw("lifetime.default", lifetime.String())
		return
	}
	r.cannotTell("lifetime", fmt.Sprintf("%s is %v, which agrees with the token itself in no unit", path, stated))
}

// expiryOf reads the claim exp of a JWT (RFC 7519 section 4.1.4), which is not verified.
func expiryOf(access string) (time.Time, bool) {
	parts := strings.Split(access, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}, false
	}
	exp, ok := number(member(claims, "exp"))
	return time.Unix(int64(exp), 0), ok
}

// errorCode learns how a dead grant is told.
func (r *lesson) errorCode(answer token.Answer, failure *token.Failure) {
	const subject = "token.response.error_codes"
	path := orDefault(r.subject.Settings.Dialect.ErrorPath, "error")
	code, ok := member(answer.Body, path).(string)
	code = clip(code)
	switch {
	case !ok || code == "":
		r.cannotTell(subject, fmt.Sprintf("status %d, and no error code at %s", answer.HTTPStatus, path))
	case code == "invalid_grant":
		r.saw(subject, fmt.Sprintf("a wrong refresh token is refused with status %d and invalid_grant", answer.HTTPStatus))
	case slices.Contains(standard(), code):
		r.cannotTell(subject, fmt.Sprintf("a wrong refresh token is refused with status %d and %s, which says something else in RFC 6749; "+
			"it may be that a dead one of the server's own is refused otherwise", answer.HTTPStatus, code))
	case failure.Class == token.ClassGrantDead:
		r.saw(subject, fmt.Sprintf("a wrong refresh token is refused with status %d and %q, which is understood", answer.HTTPStatus, code))
	default:
		r.ErrorCodes = map[string]string{code: "invalid_grant"}
		r.saw(subject, fmt.Sprintf("a wrong refresh token is refused with status %d and %q", answer.HTTPStatus, code))
	}
}

// standard are the codes that RFC 6749 section 5.2 has for other things than a dead grant.
func standard() []string {
	return []string{"invalid_request", "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}
}

// clip bounds a text from elsewhere.
func clip(text string) string {
	const most = 100
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "")
	}
	return text
}
