package connection

import (
	"slices"

	"github.com/freshet-io/freshet/services/internal/seal"
)

// Kind of a connection. It never changes.
type Kind string

// The kinds. Their values are stored; those in Field are the contract's field names.
const (
	KindOAuth2 Kind = "OAUTH2"
	KindAPIKey Kind = "API_KEY"
	KindBasic  Kind = "BASIC"
	KindOAuth1 Kind = "OAUTH1"
)

// Field is the name of the field that holds the authorization of this kind.
func (k Kind) Field() string {
	switch k {
	case KindOAuth2:
		return "oauth2"
	case KindAPIKey:
		return "api_key"
	case KindBasic:
		return "basic"
	case KindOAuth1:
		return "oauth1"
	default:
		return "authorization"
	}
}

// Settings are how to authenticate. The authorization is the field that Kind names; the others are zero.
type Settings struct {
	Kind       Kind
	OAuth2     OAuth2
	APIKey     APIKey
	Basic      Basic
	OAuth1     OAuth1
	Invocation Parameters // added to every request that is made with the connection
	APIBaseURL string     // paths of calls through the proxy are put behind it; empty: the provider's
	Proxy      Proxy
	Connect    Connect
}

// Proxy says how the API proxy makes calls. Zero fields: as the provider's entry says.
type Proxy struct {
	Limit          APILimit
	EncodedSlashes bool // paths may have %2F
}

// APILimit is how many calls are made with one token.
type APILimit struct {
	PerSecond float64 // 0: no limit
	Burst     int32   // after a pause; 0: the calls of a second, at least 1
}

// APIKey sends a key in a header.
type APIKey struct {
	Name  string
	Value seal.Secret
}

// Basic sends user name and password.
type Basic struct {
	Username string
	Password seal.Secret
}

// OAuth1 signs requests (RFC 5849).
type OAuth1 struct {
	ConsumerKey    string
	ConsumerSecret seal.Secret
	Token          string // empty: requests are signed for the client alone
	TokenSecret    seal.Secret
	Method         string // HMAC_SHA1 (or empty), HMAC_SHA256
	Realm          string
}

// Parameters are additions to an HTTP request, by the place they go to.
type Parameters struct {
	Headers []Parameter
	Query   []Parameter
	Body    []Parameter
}

// Parameter is one addition. Its value is a seal.Secret whether or not Secret is set, so that no log shows it; Secret says that it is
// stored sealed and never returned.
type Parameter struct {
	Key    string
	Value  seal.Secret
	Secret bool
}

// Equal reports whether both settings are the same, secrets included.
func (s Settings) Equal(o Settings) bool {
	return s.Kind == o.Kind && s.OAuth2.equal(o.OAuth2) && s.APIKey.equal(o.APIKey) && s.Basic.equal(o.Basic) && s.OAuth1.equal(o.OAuth1) &&
		s.Invocation.equal(o.Invocation) && s.APIBaseURL == o.APIBaseURL && s.Proxy == o.Proxy && s.Connect.equal(o.Connect)
}

func (a APIKey) equal(o APIKey) bool { return a.Name == o.Name && a.Value.Equal(o.Value) }

func (a Basic) equal(o Basic) bool { return a.Username == o.Username && a.Password.Equal(o.Password) }

func (a OAuth1) equal(o OAuth1) bool {
	return a.ConsumerKey == o.ConsumerKey && a.ConsumerSecret.Equal(o.ConsumerSecret) && a.Token == o.Token && a.TokenSecret.Equal(o.TokenSecret) &&
		a.Method == o.Method && a.Realm == o.Realm
}

func (p Parameters) equal(o Parameters) bool {
	same := func(a, b Parameter) bool { return a.Key == b.Key && a.Secret == b.Secret && a.Value.Equal(b.Value) }
	return slices.EqualFunc(p.Headers, o.Headers, same) && slices.EqualFunc(p.Query, o.Query, same) &&
		slices.EqualFunc(p.Body, o.Body, same)
}
