package token

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token/dpop"
	"github.com/freshet-io/freshet/services/token/oauth1"
)

// Kind of grant: how a credential is obtained.
type Kind string

// The kinds. API keys and Basic credentials are generations like any other; they need no request.
const (
	KindClientCredentials Kind = "CLIENT_CREDENTIALS"
	KindRefreshToken      Kind = "REFRESH_TOKEN"
	KindAuthorizationCode Kind = "AUTHORIZATION_CODE"
	KindJWTBearer         Kind = "JWT_BEARER"
	KindTokenExchange     Kind = "TOKEN_EXCHANGE"
	KindPassword          Kind = "PASSWORD"
	KindAPIKey            Kind = "API_KEY"
	KindBasic             Kind = "BASIC"
	KindOAuth1            Kind = "OAUTH1"
)

// Static reports whether the credential is part of the settings, so that no request is made for it.
func (k Kind) Static() bool { return k == KindAPIKey || k == KindBasic || k == KindOAuth1 }

// Redeems reports whether the grant redeems a refresh token or a code, which can be spent.
func (k Kind) Redeems() bool { return k == KindRefreshToken || k == KindAuthorizationCode }

// SettingsSource tells how to obtain a connection's credential. It is the connection service.
type SettingsSource interface {
	// AuthorizationSettings returns the present settings, with their secrets, of the connection or grant of that name. Errors are [*Failure]
	// of class OURS.
	AuthorizationSettings(ctx context.Context, name string) (Settings, error)
}

// Settings say how to obtain a connection's or grant's credential. Exactly the member that Kind names is set.
type Settings struct {
	ConnectionUID string // of the grant, where it is one's
	Revision      int64
	Kind          Kind
	OAuth2        OAuth2
	APIKey        APIKey
	Basic         Basic
	OAuth1        oauth1.Credential
	// Invocation is added to every request that is made with the credential.
	Invocation Fields
	// Imported is the first generation of this revision, for which no request is made; zero if there is none.
	Imported Imported
}

// ClientAuthentication is how a client authenticates at the token endpoint. The names are those of the API.
type ClientAuthentication string

// The ways of client authentication: RFC 6749 section 2.3.1, the same without decoding, RFC 7523 section 2.2, RFC 8705 section 2.
const (
	ClientSecretBasic    ClientAuthentication = "CLIENT_SECRET_BASIC"
	ClientSecretBasicRaw ClientAuthentication = "CLIENT_SECRET_BASIC_RAW"
	ClientSecretPost     ClientAuthentication = "CLIENT_SECRET_POST"
	PrivateKeyJWT        ClientAuthentication = "PRIVATE_KEY_JWT"
	TLSClientAuth        ClientAuthentication = "TLS_CLIENT_AUTH"
	SelfSignedTLS        ClientAuthentication = "SELF_SIGNED_TLS_CLIENT_AUTH"
	NoClientAuth         ClientAuthentication = "NONE"
	// SignedClientSecret sends a JWT as the client secret, signed for each request.
	SignedClientSecret ClientAuthentication = "SIGNED_CLIENT_SECRET"
)

// OAuth2 says how to make a token request. Which members count depends on the kind of grant and the client's authentication.
type OAuth2 struct {
	Grant                 Kind // empty: KindClientCredentials
	TokenEndpoint         string
	ClientID              string
	ClientSecret          seal.Secret
	AlternateClientSecret seal.Secret
	ClientAuthentication  ClientAuthentication
	SigningKey            SigningKey
	ClientCertificate     ClientCertificate
	Scopes                []string
	Audience              string
	// Parameters are added to the token request.
	Parameters Fields

	// RefreshToken begins a REFRESH_TOKEN grant; the newest one is kept with the token.
	RefreshToken  seal.Secret
	Code          AuthorizationCode
	Assertion     JWTAssertion
	Exchange      TokenExchange
	ResourceOwner ResourceOwner

	Dialect  Dialect
	Provider Provider
	Policy   Policy
	// DPoP is the algorithm of proofs of possession (RFC 9449); empty: tokens are not bound to a key.
	DPoP dpop.Algorithm

	// Issuer is the authorization server's identifier; empty: not known.
	Issuer string
	// PushEndpoint is where authorization requests are pushed (RFC 9126); empty: nowhere.
	PushEndpoint string
	// Captures are what is kept of token answers besides the token.
	Captures []Capture
}

// Capture is a value that is taken from a token answer.
type Capture struct {
	Name string
	Path string // member names separated by dots
}

// SigningKey signs client assertions and JWT grants.
type SigningKey struct {
	PrivateKey seal.Secret // PEM (PKCS #8, PKCS #1, SEC 1) or JWK
	KeyID      string
	Algorithm  string // JOSE name; empty: the first that fits the key
	Audience   string // of client assertions and signed secrets; empty: the token endpoint
	Issuer     string // of the same; empty: the client
}

// ClientCertificate authenticates the client in TLS.
type ClientCertificate struct {
	Chain      string // PEM
	PrivateKey seal.Secret
}

// AuthorizationCode is redeemed once.
type AuthorizationCode struct {
	Code         seal.Secret
	RedirectURI  string
	CodeVerifier seal.Secret
	// Nonce is that of the authorization request, which an ID token must have (OpenID Connect Core section 3.1.3.7); empty: it had none.
	Nonce seal.Secret
}

// JWTAssertion is what the assertion of a JWT_BEARER grant says; empty members have the defaults of the API.
type JWTAssertion struct {
	Issuer, Subject, Audience string
	Lifetime                  time.Duration
	Claims                    string // JSON text of an object
}

// TokenExchange is RFC 8693.
type TokenExchange struct {
	SubjectToken       seal.Secret
	SubjectTokenType   string
	ActorToken         seal.Secret
	ActorTokenType     string
	RequestedTokenType string
	Resources          []string
}

// ResourceOwner is whose password a PASSWORD grant sends.
type ResourceOwner struct {
	Username string
	Password seal.Secret
}

// Dialect says in what a token endpoint differs from RFC 6749. Zero members: it does not.
type Dialect struct {
	Method               string // POST, GET, PUT
	Encoding             string // FORM, JSON
	RefreshEndpoint      string
	ScopeSeparator       string
	FieldNames           map[string]string
	AccessTokenPath      string
	RefreshTokenPath     string
	ExpiresInPath        string
	ExpiresInUnit        time.Duration // 0: a second
	ExpiresAtPath        string
	ScopePath            string
	RefreshExpiresInPath string
	ErrorPath            string
	ErrorCodes           map[string]string
	AuthorizationScheme  string
	AccessTokenHeader    string
	RefreshGrantType     string // empty: refresh_token
	RefreshMethod        string // empty: Method
}

// RotationRecovery is what becomes of a refresh token that was redeemed. The names are those of the API.
type RotationRecovery string

// What becomes of a redeemed refresh token.
const (
	SingleUse          RotationRecovery = "SINGLE_USE"
	Grace              RotationRecovery = "GRACE"
	UntilSuccessorUsed RotationRecovery = "UNTIL_SUCCESSOR_USED"
	Idempotent         RotationRecovery = "IDEMPOTENT"
	Reusable           RotationRecovery = "REUSABLE"
)

// OldAccessToken is what becomes of the access token at hand when the next one is obtained. The names are those of the API.
type OldAccessToken string

// What becomes of the access token at hand.
const (
	Survives OldAccessToken = "SURVIVES"
	Killed   OldAccessToken = "KILLED"
	Leeway   OldAccessToken = "LEEWAY"
)

// Provider is how an authorization server treats refreshing.
type Provider struct {
	Recovery             RotationRecovery // empty: SingleUse
	RotationGrace        time.Duration
	OldAccessToken       OldAccessToken // empty: Survives
	OldAccessTokenLeeway time.Duration
	NotBefore            time.Duration // age a token must have before it is refreshed
	MintLimit            int           // token requests in MintPeriod for a client at an endpoint; 0: no limit
	MintPeriod           time.Duration
	IdleLifetime         time.Duration // of an unused refresh token; 0: not known
	GrantLifetime        time.Duration // 0: not known
	RevocationEndpoint   string
}

// Mode is when tokens are refreshed at all. The names are those of the API.
type Mode string

// When tokens are refreshed.
const (
	Always       Mode = "ALWAYS"
	WhileWatched Mode = "WHILE_WATCHED"
	OnDemand     Mode = "ON_DEMAND"
)

// Policy governs when the next token is obtained.
type Policy struct {
	// RefreshBefore is how long before expiry the next token is asked for; 0 for the default by lifetime.
	RefreshBefore time.Duration
	// DefaultLifetime is assumed when nobody names a lifetime; 0 for 1 h.
	DefaultLifetime  time.Duration
	Mode             Mode          // empty: Always
	KeepAlive        time.Duration // 0: none
	RevokeSuperseded bool
	GrantWarning     time.Duration // 0: 14 days
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

// Grant is what a token holds from before that its next generation is obtained with.
type Grant struct {
	// RefreshToken is the newest one received. It is what a REFRESH_TOKEN or AUTHORIZATION_CODE grant redeems; empty: the
	// grant is at its beginning, and the refresh token or the code of the settings is redeemed. Other grants do not use it.
	RefreshToken seal.Secret
	// Key that the next token is asked to be bound to; zero: to none.
	Key dpop.Key
}

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
	// RefreshExpireTime is when RefreshToken ends, where the server said; zero if it did not.
	RefreshExpireTime time.Time
	// Captured are the values that the settings' Captures ask for, as far as the answer has them.
	Captured map[string]string
}

// static returns the credential that is part of the settings.
func (s *Settings) static(now time.Time) (Issued, Credential) {
	if s.Kind == KindOAuth1 {
		return Issued{IssueTime: now}, Credential{HTTP: s.Invocation, OAuth1: s.OAuth1}
	}
	header := Field{Key: s.APIKey.Name, Value: s.APIKey.Value}
	if s.Kind == KindBasic {
		header = Field{Key: "Authorization", Value: basicHeader(s.Basic.Username, s.Basic.Password)}
	}
	return Issued{IssueTime: now}, Credential{HTTP: withHeader(s.Invocation, header)}
}

// bearer returns the credential of an access token, in the header that the dialect has for it.
func (s *Settings) bearer(issued Issued) Credential {
	dialect := &s.OAuth2.Dialect
	scheme := dialect.AuthorizationScheme
	if scheme == "" {
		scheme = issued.TokenType
	}
	header := Field{Key: "Authorization", Value: seal.NewSecret(scheme + " " + issued.AccessToken.Reveal())}
	if dialect.AccessTokenHeader != "" {
		header = Field{Key: dialect.AccessTokenHeader, Value: issued.AccessToken}
	}
	return Credential{
		AccessToken:  issued.AccessToken,
		RefreshToken: issued.RefreshToken,
		HTTP:         withHeader(s.Invocation, header),
		Captured:     issued.Captured,
	}
}

// fingerprint names the credential without revealing it: that of the access token, or of the static value.
func (c Credential) fingerprint() string {
	if !c.AccessToken.IsZero() {
		return c.AccessToken.Fingerprint()
	}
	if !c.OAuth1.IsZero() {
		return c.OAuth1.Fingerprint()
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
