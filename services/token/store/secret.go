package store

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/oauth1"
)

// credential is a token.Credential before it is sealed. Its secrets are plain texts: it never leaves this file.
type credential struct {
	AccessToken  string      `json:"access_token,omitempty"`
	RefreshToken string      `json:"refresh_token,omitempty"`
	Seed         string      `json:"seed,omitempty"`
	Key          string      `json:"key,omitempty"`
	OAuth1       *oauth1JSON `json:"oauth1,omitempty"`
	Headers      [][2]string `json:"headers,omitempty"`
	Query        [][2]string `json:"query,omitempty"`
	Body         [][2]string `json:"body,omitempty"`

	Captured map[string]string `json:"captured,omitempty"`
}

// oauth1JSON is an oauth1.Credential.
type oauth1JSON struct {
	ConsumerKey    string        `json:"consumer_key"`
	ConsumerSecret string        `json:"consumer_secret"`
	Token          string        `json:"token,omitempty"`
	TokenSecret    string        `json:"token_secret,omitempty"`
	Method         oauth1.Method `json:"method"`
	Realm          string        `json:"realm,omitempty"`
}

func revealOAuth1(c oauth1.Credential) *oauth1JSON {
	if c.IsZero() {
		return nil
	}
	return &oauth1JSON{
		ConsumerKey: c.ConsumerKey, ConsumerSecret: c.ConsumerSecret.Reveal(), Token: c.Token, TokenSecret: c.TokenSecret.Reveal(),
		Method: c.Method, Realm: c.Realm,
	}
}

func (j *oauth1JSON) credential() oauth1.Credential {
	if j == nil {
		return oauth1.Credential{}
	}
	return oauth1.Credential{
		ConsumerKey: j.ConsumerKey, ConsumerSecret: seal.NewSecret(j.ConsumerSecret), Token: j.Token, TokenSecret: seal.NewSecret(j.TokenSecret),
		Method: j.Method, Realm: j.Realm,
	}
}

// boundTo is the associated data of a token's credential: in another row, of another connection of the same name, or as
// another generation it does not open.
func boundTo(t *token.Token) string {
	return "token/" + t.Key.Name() + "/" + t.ConnectionUID + "/" + strconv.FormatInt(t.Generation, 10)
}

// seal returns the credential for storage; nil for the zero one.
func (s *Store) seal(c *token.Credential, t *token.Token) ([]byte, error) {
	if c.AccessToken.IsZero() && c.RefreshToken.IsZero() && c.OAuth1.IsZero() && len(c.HTTP.Headers)+len(c.HTTP.Query)+len(c.HTTP.Body) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(credential{
		AccessToken: c.AccessToken.Reveal(), RefreshToken: c.RefreshToken.Reveal(), Seed: c.Seed, Key: c.Key.Private.Reveal(),
		OAuth1:  revealOAuth1(c.OAuth1),
		Headers: reveal(c.HTTP.Headers), Query: reveal(c.HTTP.Query), Body: reveal(c.HTTP.Body),
		Captured: c.Captured,
	})
	if err != nil {
		return nil, fmt.Errorf("token store: encode credential: %w", err)
	}
	return s.sealer.Seal(text, boundTo(t))
}

// open is the inverse of seal.
func (s *Store) open(sealed []byte, t *token.Token) (token.Credential, error) {
	if len(sealed) == 0 {
		return token.Credential{}, nil
	}
	text, err := s.sealer.Open(sealed, boundTo(t))
	if err != nil {
		return token.Credential{}, err
	}
	var c credential
	if err := json.Unmarshal(text, &c); err != nil {
		return token.Credential{}, fmt.Errorf("token store: credential of %s is not readable", t.Key.Name())
	}
	key, err := parseKey(c.Key)
	if err != nil {
		return token.Credential{}, fmt.Errorf("token store: key of %s is not readable", t.Key.Name())
	}
	return token.Credential{
		AccessToken: seal.NewSecret(c.AccessToken), RefreshToken: seal.NewSecret(c.RefreshToken), Seed: c.Seed, Key: key,
		OAuth1:   c.OAuth1.credential(),
		HTTP:     token.Fields{Headers: secret(c.Headers), Query: secret(c.Query), Body: secret(c.Body)},
		Captured: c.Captured,
	}, nil
}

func reveal(fields []token.Field) [][2]string {
	pairs := make([][2]string, len(fields))
	for i, f := range fields {
		pairs[i] = [2]string{f.Key, f.Value.Reveal()}
	}
	return pairs
}

func secret(pairs [][2]string) []token.Field {
	if len(pairs) == 0 {
		return nil
	}
	fields := make([]token.Field, len(pairs))
	for i, p := range pairs {
		fields[i] = token.Field{Key: p[0], Value: seal.NewSecret(p[1])}
	}
	return fields
}
