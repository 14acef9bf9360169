package token

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/internal/seal"
)

// Kind of grant: how a credential is obtained.
type Kind string

// The kinds. API keys and Basic credentials are generations like any other; they need no request.
const (
	KindClientCredentials Kind = "CLIENT_CREDENTIALS"
	KindAPIKey            Kind = "API_KEY"
	KindBasic             Kind = "BASIC"
)

// Static reports whether the credential is part of the settings, so that no request is made for it.
func (k Kind) Static() bool { return k == KindAPIKey || k == KindBasic }

// Repeatable reports whether a token request can be made again when its outcome is not known. It is what recovery goes by:
// a grant that redeems a single-use refresh token is not.
func (k Kind) Repeatable() bool { return true }

// SettingsSource tells how to obtain a connection's credential. It is the connection service.
type SettingsSource interface {
	// AuthorizationSettings returns the present settings with their secrets. Errors are [*Failure] of class OURS.
	AuthorizationSettings(ctx context.Context, connection string) (Settings, error)
}

// Settings say how to obtain a connection's credential. Exactly the member that Kind names is set.
type Settings struct {
	ConnectionUID string
	Revision      int64
	Kind          Kind
	OAuth2        OAuth2
	APIKey        APIKey
	Basic         Basic
	// Invocation is added to every request that is made with the credential.
	Invocation Fields
}

// ClientAuthentication is how a client authenticates at the token endpoint. The names are those of the API.
type ClientAuthentication string

// The ways of client authentication, RFC 6749 section 2.3.1.
const (
	ClientSecretBasic ClientAuthentication = "CLIENT_SECRET_BASIC"
	ClientSecretPost  ClientAuthentication = "CLIENT_SECRET_POST"
)

// OAuth2 says how to make a token request.
type OAuth2 struct {
	TokenEndpoint        string
	ClientID             string
	ClientSecret         seal.Secret
	ClientAuthentication ClientAuthentication
	Scopes               []string
	Audience             string
	// Parameters are added to the token request.
	Parameters Fields
	// RefreshBefore is how long before expiry the next token is asked for; 0 for the default by lifetime.
	RefreshBefore time.Duration
	// DefaultLifetime is assumed when nobody names a lifetime; 0 for 1 h.
	DefaultLifetime time.Duration
}

// APIKey is sent in a header.
type APIKey struct {
	Name  string
	Value seal.Secret
}

// Basic is HTTP Basic authentication, RFC 7617.
type Basic struct {
	Username string
	Password seal.Secret
}

// DefaultLifetime is assumed for access tokens when neither the response, nor the token, nor the connection names one.
const DefaultLifetime = time.Hour

// Issued is a credential that was obtained.
type Issued struct {
	AccessToken  seal.Secret
	RefreshToken seal.Secret
	// TokenType normalised: `Bearer` in whatever case it was spelled.
	TokenType string
	Scopes    []string
	// IssueTime is when it was asked for: no later than when it was made. A zero ExpireTime is never.
	IssueTime, ExpireTime time.Time
	ExpirySource          ExpirySource
}

// static returns the credential that is part of the settings.
func (s *Settings) static(now time.Time) (Issued, Credential) {
	header := Field{Key: s.APIKey.Name, Value: s.APIKey.Value}
	if s.Kind == KindBasic {
		header = Field{Key: "Authorization", Value: basicHeader(s.Basic.Username, s.Basic.Password)}
	}
	return Issued{IssueTime: now}, Credential{HTTP: withHeader(s.Invocation, header)}
}

// bearer returns the credential of an access token.
func (s *Settings) bearer(issued Issued) Credential {
	header := Field{Key: "Authorization", Value: seal.NewSecret(issued.TokenType + " " + issued.AccessToken.Reveal())}
	return Credential{
		AccessToken:  issued.AccessToken,
		RefreshToken: issued.RefreshToken,
		HTTP:         withHeader(s.Invocation, header),
	}
}

// fingerprint names the credential without revealing it: that of the access token, or of the static value.
func (c Credential) fingerprint() string {
	if !c.AccessToken.IsZero() {
		return c.AccessToken.Fingerprint()
	}
	if len(c.HTTP.Headers) == 0 {
		return ""
	}
	return c.HTTP.Headers[0].Value.Fingerprint() // withHeader puts it first
}

// basicHeader is the value of RFC 7617 section 2.
func basicHeader(username string, password seal.Secret) seal.Secret {
	pair := username + ":" + password.Reveal()
	return seal.NewSecret("Basic " + base64.StdEncoding.EncodeToString([]byte(pair)))
}

// withHeader puts the authenticating header before the invocation parameters. One of the same name gives way: a request
// with both would not be authenticated.
func withHeader(fields Fields, header Field) Fields {
	headers := make([]Field, 0, len(fields.Headers)+1)
	headers = append(headers, header)
	name := http.CanonicalHeaderKey(header.Key)
	for _, field := range fields.Headers {
		if http.CanonicalHeaderKey(strings.TrimSpace(field.Key)) != name {
			headers = append(headers, field)
		}
	}
	return Fields{Headers: headers, Query: fields.Query, Body: fields.Body}
}
