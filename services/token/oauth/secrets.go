package oauth

import (
	"crypto/sha256"
	"encoding/json"
	"net/url"
	"strings"
	"sync"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
)

// maxPreferences bounds how many clients' preference for their second secret is remembered. Forgetting one costs a request.
const maxPreferences = 4096

// preferences remember which clients' second secret worked when the first was refused.
type preferences struct {
	mu        sync.Mutex
	alternate map[pair]struct{}
}

// pair is a client's two secrets at an endpoint, by fingerprint.
type pair [sha256.Size]byte

func pairOf(s *token.OAuth2) pair {
	return sha256.Sum256([]byte(strings.Join([]string{
		s.TokenEndpoint, s.ClientID, s.ClientSecret.Fingerprint(), s.AlternateClientSecret.Fingerprint(),
	}, "\x00")))
}

func (p *preferences) alternateFirst(of pair) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.alternate[of]
	return ok
}

func (p *preferences) set(of pair, alternate bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !alternate {
		delete(p.alternate, of)
		return
	}
	if p.alternate == nil {
		p.alternate = make(map[pair]struct{})
	}
	if len(p.alternate) >= maxPreferences {
		for other := range p.alternate {
			delete(p.alternate, other)
			break
		}
	}
	p.alternate[of] = struct{}{}
}

// withSecret makes a request with the client secret that worked last and, if the server refuses the client, once more with the
// other one. That is no repetition of a redemption: a server that refuses the client has looked at nothing else (RFC 6749
// section 5.2).
func (c *Client) withSecret(s *token.OAuth2, attempt func(seal.Secret) (token.Answer, error)) (token.Answer, error) {
	first, second := s.ClientSecret, s.AlternateClientSecret
	if !sendsSecret(s.ClientAuthentication) || second.IsZero() || second.Equal(first) {
		return attempt(first)
	}
	of := pairOf(s)
	swapped := c.preferences.alternateFirst(of)
	if swapped {
		first, second = second, first
	}
	answer, err := attempt(first)
	if err != nil || !refusesClient(answer, s.Dialect) {
		return answer, err
	}
	answer, err = attempt(second)
	if err == nil && !refusesClient(answer, s.Dialect) {
		c.preferences.set(of, !swapped)
	}
	return answer, err
}

// secretsOf returns the texts that must not appear in a message, in every spelling that a server could echo.
func secretsOf(s *token.OAuth2, more ...seal.Secret) []string {
	secrets := append([]seal.Secret{
		s.ClientSecret, s.AlternateClientSecret, s.RefreshToken, s.Code.Code, s.Code.CodeVerifier,
		s.Exchange.SubjectToken, s.Exchange.ActorToken, s.ResourceOwner.Password, s.SigningKey.PrivateKey, s.ClientCertificate.PrivateKey,
	}, more...)
	for _, fields := range [][]token.Field{s.Parameters.Headers, s.Parameters.Query, s.Parameters.Body} {
		for _, f := range fields {
			secrets = append(secrets, f.Value)
		}
	}
	var texts []string
	for _, secret := range secrets {
		if text := secret.Reveal(); text != "" {
			texts = append(texts, text, url.QueryEscape(text), url.PathEscape(text), quoted(text))
		}
	}
	for _, secret := range []string{s.ClientSecret.Reveal(), s.AlternateClientSecret.Reveal()} {
		if secret != "" {
			texts = append(texts, basic(s.ClientID, secret), basicRaw(s.ClientID, secret))
		}
	}
	return texts
}

// quoted is a text as JSON writes it, without the quotes.
func quoted(text string) string {
	encoded, err := json.Marshal(text)
	if err != nil {
		return text
	}
	return string(encoded[1 : len(encoded)-1])
}
