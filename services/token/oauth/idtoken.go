package oauth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/token"
)

// checkIDToken judges the ID token that comes with the answer to a code, if one does, by the rules of OpenID Connect Core section 3.1.3.7 for what
// came from the token endpoint itself: it was made for this authorization request, this client, and by this issuer. TLS says who made it, so that
// its signature need not (number 6 there). nil: nothing is wrong with it.
func (d *document) checkIDToken(s *token.OAuth2, g token.Grant, now time.Time) *token.Failure {
	if s.Code.Nonce.IsZero() || !refreshToken(s, g).IsZero() {
		return nil
	}
	spelled := text(d.fields.lookup("id_token"))
	if spelled == "" {
		return nil // the scope was not granted
	}
	refuse := func(why string) *token.Failure {
		return &token.Failure{
			Class: token.ClassGrantDead, Reason: token.ReasonIDTokenRefused, Sent: true, Time: now,
			Message: "the ID token " + why + "; the account was not connected",
		}
	}
	claims, ok := claimsOf(spelled)
	switch {
	case !ok:
		return refuse("is not a JWT")
	case text(claims["nonce"]) != s.Code.Nonce.Reveal():
		return refuse("was made for another authorization request: its nonce differs")
	case !audience(claims["aud"], s.ClientID):
		return refuse("was made for another client")
	case s.Issuer != "" && text(claims["iss"]) != s.Issuer:
		return refuse("is of another issuer")
	default:
		return nil
	}
}

// claimsOf reads the claims of a signed JWT, without looking at the signature.
func claimsOf(spelled string) (fields, bool) {
	parts := strings.Split(spelled, ".")
	if len(parts) != 3 {
		return nil, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return nil, false
	}
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.UseNumber()
	var claims fields
	return claims, decoder.Decode(&claims) == nil
}

// audience reports whether the claim aud, one text or a list, has the client.
func audience(value any, client string) bool {
	if list, ok := value.([]any); ok {
		return slices.ContainsFunc(list, func(one any) bool { return text(one) == client })
	}
	return text(value) == client
}

// maxCaptured bounds a captured value.
const maxCaptured = 2048

// captured are the values that are asked for, as far as the answer has them.
func (d *document) captured(wanted []token.Capture) map[string]string {
	var values map[string]string
	for _, c := range wanted {
		value := text(d.fields.lookup(c.Path))
		if value == "" || len(value) > maxCaptured {
			continue
		}
		if values == nil {
			values = make(map[string]string, len(wanted))
		}
		values[c.Name] = value
	}
	return values
}
