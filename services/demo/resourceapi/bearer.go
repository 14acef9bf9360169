package resourceapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// claims is what the API reads of an access token (RFC 9068 §2.2).
type claims struct {
	Issuer   string       `json:"iss"`
	Audience jwt.Audience `json:"aud"`
	Scope    string       `json:"scope"`
	Expiry   json.Number  `json:"exp"`
	ID       string       `json:"jti"`
}

var errNumericDate = errors.New("not a NumericDate")

// bearer checks the bearer token of a call (RFC 6750, RFC 9068 §4).
func (a *API) bearer(r *http.Request, call *Call) verdict {
	values := r.Header.Values("Authorization")
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if len(values) == 0 || len(values) == 1 && !strings.EqualFold(scheme, "Bearer") {
		// RFC 6750 §3.1: a call without credentials is told the scheme and no error.
		return verdict{status: http.StatusUnauthorized, cause: CauseMissing, challenge: bearerRealm}
	}
	if len(values) > 1 {
		return invalidToken(CauseMalformed, "more than one Authorization header")
	}
	call.TokenFingerprint = Fingerprint(token)
	found, refusal := a.verify(r, token)
	if refusal != nil {
		return *refusal
	}
	call.JTI = found.ID
	return a.judge(found, call)
}

// verify checks everything that does not depend on the time or on this API's rules.
func (a *API) verify(r *http.Request, token string) (claims, *verdict) {
	var found claims
	refuse := func(cause Cause, description string) (claims, *verdict) {
		refusal := invalidToken(cause, description)
		return claims{}, &refusal
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return refuse(CauseMalformed, "the token is not a JWT signed with ES256")
	}
	header := signed.Signatures[0].Protected
	if typ, _ := header.ExtraHeaders[jose.HeaderType].(string); !strings.EqualFold(strings.TrimPrefix(typ, "application/"), "at+jwt") {
		return refuse(CauseMalformed, "the token is not an access token")
	}
	if a.keys == nil {
		return refuse(CauseWrongKey, "no keys are configured")
	}
	keys, err := a.keys.Keys(r.Context(), header.KeyID)
	if err != nil {
		return claims{}, &verdict{status: http.StatusServiceUnavailable, cause: CauseKeysUnavailable}
	}
	if len(keys) == 0 {
		return refuse(CauseWrongKey, "the token is signed with an unknown key")
	}
	payload, err := signed.Verify(keys[0])
	if err != nil {
		return refuse(CauseSignature, "the signature is wrong")
	}
	if err := json.Unmarshal(payload, &found); err != nil {
		return refuse(CauseMalformed, "the claims are not readable")
	}
	return found, nil
}

// judge applies this API's rules to verified claims. A token is expired from the very instant in
// exp on: there is no leeway.
func (a *API) judge(found claims, call *Call) verdict {
	expires, err := parseNumericDate(found.Expiry.String())
	if err != nil {
		return invalidToken(CauseMalformed, "exp is not a number of seconds")
	}
	call.ValidFor = expires.Sub(call.Time)
	switch {
	case a.issuer != "" && found.Issuer != a.issuer:
		return invalidToken(CauseIssuer, "the token is from another issuer")
	case a.audience != "" && !found.Audience.Contains(a.audience):
		return invalidToken(CauseAudience, "the token is for another audience")
	case call.ValidFor <= 0:
		return invalidToken(CauseExpired, "the token expired")
	case a.isRevoked(found.ID):
		return invalidToken(CauseRevoked, "the token was revoked")
	case a.scope != "" && !slices.Contains(strings.Fields(found.Scope), a.scope):
		challenge := fmt.Sprintf(`%s, error="insufficient_scope", scope=%q`, bearerRealm, a.scope)
		return verdict{status: http.StatusForbidden, cause: CauseScope, challenge: challenge}
	}
	return verdict{status: http.StatusOK}
}

const bearerRealm = `Bearer realm="orders"`

func invalidToken(cause Cause, description string) verdict {
	challenge := fmt.Sprintf(`%s, error="invalid_token", error_description=%q`, bearerRealm, description)
	return verdict{status: http.StatusUnauthorized, cause: cause, challenge: challenge}
}

// parseNumericDate reads seconds since the epoch with a decimal fraction (RFC 7519 §2), exactly to
// the nanosecond; a float64 would be off by up to a microsecond.
func parseNumericDate(text string) (time.Time, error) {
	whole, fraction, _ := strings.Cut(text, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || seconds < 0 || len(fraction) > 9 {
		return time.Time{}, errNumericDate
	}
	nanos, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	if err != nil {
		return time.Time{}, errNumericDate
	}
	return time.Unix(seconds, nanos), nil
}
