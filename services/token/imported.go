package token

import (
	"cmp"
	"time"

	"github.com/freshet-io/freshet/services/internal/seal"
)

// Imported is an access token that was obtained elsewhere, for a grant.
type Imported struct {
	AccessToken seal.Secret
	TokenType   string // empty: Bearer
	Scopes      []string
	ExpireTime  time.Time // zero: not known
}

// imports reports whether the next generation is the imported token: it is, once for each revision of the settings, unless it has expired.
func (r *rotation) imports() bool {
	imported := &r.settings.Imported
	return r.answer == nil && !imported.AccessToken.IsZero() && r.token.GenerationRevision != r.settings.Revision &&
		(imported.ExpireTime.IsZero() || r.s.p.Now().Before(imported.ExpireTime))
}

// imported is the generation that the imported token makes. The grant behind it begins with the refresh token of the settings.
func (r *rotation) imported(now time.Time) Issued {
	imported, o := &r.settings.Imported, &r.settings.OAuth2
	seed := o.seed().Fingerprint()
	r.entry.Revision = r.settings.Revision
	r.redeems = redemption{first: true, fingerprint: seed, seed: seed}
	issued := Issued{
		AccessToken: imported.AccessToken, TokenType: cmp.Or(imported.TokenType, "Bearer"), Scopes: imported.Scopes,
		IssueTime: now, ExpireTime: imported.ExpireTime, ExpirySource: ExpiryExpiresAt,
	}
	if len(issued.Scopes) == 0 {
		issued.Scopes = o.Scopes
	}
	switch {
	case !imported.ExpireTime.IsZero():
	case o.seed().IsZero():
		issued.ExpirySource = ""
	default:
		issued.ExpireTime = now.Add(cmp.Or(o.Policy.DefaultLifetime, DefaultLifetime))
		issued.ExpirySource = ExpiryDefaultLifetime
	}
	return issued
}

// endless reports whether nothing follows the generation: its end is that of the grant, and finding that out needs nobody to ask.
func (s *Settings) endless() bool { return s.Kind == KindRefreshToken && s.OAuth2.seed().IsZero() }
