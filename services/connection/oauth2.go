package connection

import (
	"time"

	"github.com/freshet-io/freshet/services/connection/keys"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// GrantType is how OAuth 2.0 tokens are obtained. The values are the contract's names.
type GrantType string

// The grant types.
const (
	ClientCredentials GrantType = "CLIENT_CREDENTIALS" // RFC 6749 section 4.4
	RefreshToken      GrantType = "REFRESH_TOKEN"      // RFC 6749 section 6
	CodeGrant         GrantType = "AUTHORIZATION_CODE" // RFC 6749 section 4.1.3
	JWTBearer         GrantType = "JWT_BEARER"         // RFC 7523 section 2.1
	ExchangeGrant     GrantType = "TOKEN_EXCHANGE"     // RFC 8693
	PasswordGrant     GrantType = "PASSWORD"           // RFC 6749 section 4.3; legacy, see RFC 9700 section 2.4
)

// ClientAuthentication is how the client authenticates at the token endpoint. The values are the contract's names.
type ClientAuthentication string

// Ways of client authentication.
const (
	ClientSecretBasic    ClientAuthentication = "CLIENT_SECRET_BASIC"         // RFC 6749 section 2.3.1
	ClientSecretBasicRaw ClientAuthentication = "CLIENT_SECRET_BASIC_RAW"     // the same without form encoding
	ClientSecretPost     ClientAuthentication = "CLIENT_SECRET_POST"          // RFC 6749 section 2.3.1
	PrivateKeyJWT        ClientAuthentication = "PRIVATE_KEY_JWT"             // RFC 7523 section 2.2
	TLSClientAuth        ClientAuthentication = "TLS_CLIENT_AUTH"             // RFC 8705 section 2.1
	SelfSignedTLS        ClientAuthentication = "SELF_SIGNED_TLS_CLIENT_AUTH" // RFC 8705 section 2.2
	NoClientAuth         ClientAuthentication = "NONE"                        // RFC 6749 section 3.2.1
	SignedClientSecret   ClientAuthentication = "SIGNED_CLIENT_SECRET"        // the secret is a JWT, as Apple has it
)

// sendsSecret reports whether the client secret is sent.
func (a ClientAuthentication) sendsSecret() bool { return a.usesBasic() || a == ClientSecretPost }

// usesBasic reports whether the header Authorization of token requests is taken.
func (a ClientAuthentication) usesBasic() bool {
	return a == ClientSecretBasic || a == ClientSecretBasicRaw
}

// asserts reports whether the client says in a JWT of its own who it is.
func (a ClientAuthentication) asserts() bool { return a == PrivateKeyJWT || a == SignedClientSecret }

// usesCertificate reports whether the client authenticates in TLS.
func (a ClientAuthentication) usesCertificate() bool { return a == TLSClientAuth || a == SelfSignedTLS }

// OAuth2 obtains access tokens from an OAuth 2.0 authorization server. Which members count depends on the grant type and the client's
// authentication; those that do not count are zero.
type OAuth2 struct {
	Preset                ProviderRef // fills what is unset, see [OAuth2.FilledFrom]
	GrantType             GrantType
	TokenEndpoint         string
	ClientID              string
	ClientSecret          seal.Secret
	AlternateClientSecret seal.Secret // tried when the server refuses the first one
	ClientAuthentication  ClientAuthentication
	SigningKey            SigningKey
	ClientCertificate     ClientCertificate
	Scopes                []string
	Audience              string
	Token                 Parameters // added to every token request

	RefreshToken seal.Secret // what REFRESH_TOKEN begins with; the newest one is the token service's
	Code         AuthorizationCode
	// Users: it is a connection of users, of CodeGrant without a code. It has no token of its own; its grants have. That never changes.
	Users         bool
	Assertion     Assertion
	Exchange      Exchange
	ResourceOwner ResourceOwner

	Authorize Authorize
	Dialect   Dialect
	Provider  Provider
	Refresh   RefreshPolicy
	// DPoP is the algorithm of proofs of possession (RFC 9449); empty: tokens are not bound to a key.
	DPoP keys.Algorithm
}

// SigningKey signs client assertions and the assertions of JWT_BEARER.
type SigningKey struct {
	PrivateKey seal.Secret // PEM or JWK
	KeyID      string
	Algorithm  keys.Algorithm // empty: the first that fits the key
	Audience   string         // of client assertions and signed secrets; empty: the token endpoint
	Issuer     string         // of the same; empty: the client
}

// ClientCertificate authenticates the client in TLS. Both are PEM.
type ClientCertificate struct {
	Chain      string
	PrivateKey seal.Secret
}

// AuthorizationCode is redeemed once.
type AuthorizationCode struct {
	Code         seal.Secret
	RedirectURI  string
	CodeVerifier seal.Secret // optional, and of this code alone
}

// IsZero reports whether there is no code.
func (c AuthorizationCode) IsZero() bool { return c.equal(AuthorizationCode{}) }

// Authorize is where, and how, end users authorize. Zero members are the provider's, or have the defaults of the contract.
type Authorize struct {
	Endpoint     string
	Issuer       string
	PKCE         PKCE
	Parameters   map[string]string
	PushEndpoint string
}

// PKCE says whether authorization requests have a code challenge. The values are the contract's names.
type PKCE string

// PKCERefused means that they have none.
const PKCERefused PKCE = "REFUSED"

// Assertion is what the assertion of JWT_BEARER says. Zero members mean the defaults of the contract.
type Assertion struct {
	Issuer, Subject, Audience string
	Lifetime                  time.Duration
	Claims                    string // JSON text of an object
}

// Exchange is what TOKEN_EXCHANGE exchanges.
type Exchange struct {
	SubjectToken       seal.Secret
	SubjectTokenType   string
	ActorToken         seal.Secret // optional
	ActorTokenType     string
	RequestedTokenType string
	Resources          []string
}

// ResourceOwner is whose password PASSWORD sends.
type ResourceOwner struct {
	Username string
	Password seal.Secret
}

// Dialect says in what a token endpoint differs from RFC 6749. Zero members: it does not. Method, Encoding and ExpiresInUnit have the
// contract's names, as RefreshMethod has.
type Dialect struct {
	Method               string
	Encoding             string
	RefreshEndpoint      string
	ScopeSeparator       string
	FieldNames           map[string]string
	AccessTokenPath      string
	RefreshTokenPath     string
	ExpiresInPath        string
	ExpiresInUnit        string
	ExpiresAtPath        string
	ScopePath            string
	RefreshExpiresInPath string
	ErrorPath            string
	ErrorCodes           map[string]string
	AuthorizationScheme  string
	AccessTokenHeader    string
	RefreshGrantType     string
	RefreshMethod        string
}

// RotationRecovery is what becomes of a refresh token that was redeemed. The values are the contract's names.
type RotationRecovery string

// The values that rules depend on; empty means SINGLE_USE.
const (
	RecoveryGrace              RotationRecovery = "GRACE"
	RecoveryUntilSuccessorUsed RotationRecovery = "UNTIL_SUCCESSOR_USED"
	RecoveryReusable           RotationRecovery = "REUSABLE"
)

// OldAccessToken is what becomes of the access token at hand when the next one is obtained. The values are the contract's names.
type OldAccessToken string

// The values that rules depend on; empty means SURVIVES.
const (
	OldTokenKilled OldAccessToken = "KILLED"
	OldTokenLeeway OldAccessToken = "LEEWAY"
)

// Provider is how an authorization server treats refreshing. Zero members are not known, or have the defaults of the contract.
type Provider struct {
	Recovery             RotationRecovery
	RotationGrace        time.Duration
	OldAccessToken       OldAccessToken
	OldAccessTokenLeeway time.Duration
	NotBefore            time.Duration
	MintLimit            int32
	MintPeriod           time.Duration
	IdleLifetime         time.Duration
	GrantLifetime        time.Duration
	RevocationEndpoint   string
}

// RefreshPolicy governs when the next token is obtained. Zero fields mean the defaults of the contract.
type RefreshPolicy struct {
	RefreshBefore    time.Duration
	DefaultLifetime  time.Duration
	Mode             string // the contract's name
	KeepAlive        time.Duration
	RevokeSuperseded bool
	GrantWarning     time.Duration
}

// FirstEndpoint is where the first token request goes.
func (a OAuth2) FirstEndpoint() string {
	if a.GrantType == RefreshToken && a.Dialect.RefreshEndpoint != "" {
		return a.Dialect.RefreshEndpoint
	}
	return a.TokenEndpoint
}

// Endpoint is a URL that the token service calls.
type Endpoint struct {
	Field string // path of the field within the connection
	URL   string
}

// Endpoints are all URLs of the authorization server.
func (a OAuth2) Endpoints() []Endpoint {
	all := []Endpoint{{"oauth2.token_endpoint", a.TokenEndpoint}}
	for _, e := range []Endpoint{
		{"oauth2.dialect.refresh_endpoint", a.Dialect.RefreshEndpoint},
		{"oauth2.provider_behavior.revocation_endpoint", a.Provider.RevocationEndpoint},
		{"oauth2.pushed_authorization_request_endpoint", a.Authorize.PushEndpoint},
	} {
		if e.URL != "" {
			all = append(all, e)
		}
	}
	return all
}

// Untestable says why no token request is made for a test: it would cost more than it tells. Empty: it can be made.
func (a OAuth2) Untestable() string {
	switch {
	case a.GrantType == RefreshToken:
		return "not sent, because it would redeem the refresh token that the connection lives on; authorize the connection and follow its state"
	case a.GrantType == CodeGrant:
		return "not sent, because it would redeem the authorization code, which works once; authorize the connection and follow its state"
	case a.Provider.OldAccessToken == OldTokenKilled, a.Provider.OldAccessToken == OldTokenLeeway:
		return "not sent, because the server ends the access token in use when it issues another " +
			"(provider_behavior.old_access_token); authorize the connection and follow its state"
	default:
		return ""
	}
}

// Notice is what people should know of settings that work. Empty: nothing.
func (s Settings) Notice() string {
	if s.Kind == KindOAuth2 && s.OAuth2.GrantType == PasswordGrant {
		return "The grant type PASSWORD is legacy: RFC 9700 section 2.4 forbids it. Use another one as soon as the server offers it."
	}
	return ""
}
