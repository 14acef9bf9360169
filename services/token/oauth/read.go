package oauth

import (
	"slices"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
)

// Read implements token.Exchanger.
//
// A token that can be used is never thrown away because another field is odd: everything but the access token has a
// reading for every spelling, and a default.
func (c *Client) Read(answer token.Answer, settings token.OAuth2, grant token.Grant) (token.Issued, error) {
	d := parse(answer, settings.Dialect)
	if !refreshToken(&settings, grant).IsZero() {
		d.plain()
	}
	if answer.HTTPStatus >= 200 && answer.HTTPStatus <= 299 {
		if access := d.accessToken(); usable(access) {
			if failure := d.checkIDToken(&settings, grant, answer.EndTime); failure != nil {
				return token.Issued{}, failure
			}
			return issued(answer, &settings, &d, access), nil
		}
	}
	return token.Issued{}, refused(answer, &settings, grant, &d)
}

func issued(answer token.Answer, settings *token.OAuth2, d *document, access string) token.Issued {
	i := token.Issued{
		AccessToken:  seal.NewSecret(access),
		RefreshToken: seal.NewSecret(d.refreshToken()),
		TokenType:    d.tokenType(),
		Scopes:       d.scopes(),
		IssueTime:    answer.StartTime,
	}
	if len(i.Scopes) == 0 { // RFC 6749 section 5.1: identical to what was asked for
		i.Scopes = slices.Clone(settings.Scopes)
	}
	i.ExpireTime, i.ExpirySource = d.expiry(answer.StartTime, answer.EndTime, access, settings.Policy.DefaultLifetime)
	i.RefreshExpireTime = d.refreshExpiry(answer.StartTime)
	i.Captured = d.captured(settings.Captures)
	return i
}

// usable reports whether a text can be sent as a token: RFC 6750 section 2.1 allows fewer characters, but servers do
// not keep to it; what must not be is white space and control characters, which break a header.
func usable(access string) bool {
	return access != "" && !strings.ContainsFunc(access, func(r rune) bool { return r <= ' ' || r == 0x7f })
}

// refreshExpiry returns when the refresh token ends, if the answer has its lifetime where the dialect says, or where Keycloak
// and Intuit have it; else zero.
func (d *document) refreshExpiry(start time.Time) time.Time {
	paths := []string{"refresh_token_expires_in", "refresh_expires_in", "x_refresh_token_expires_in"}
	if d.dialect.RefreshExpiresInPath != "" {
		paths = []string{d.dialect.RefreshExpiresInPath}
	}
	for _, path := range paths {
		if lifetime, ok := duration(d.fields.lookup(path), d.dialect.ExpiresInUnit); ok {
			return start.Add(lifetime)
		}
	}
	return time.Time{}
}
