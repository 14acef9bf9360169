package oauth

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/freshet-io/freshet/sdk/dpop"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/oauth/clienttls"
)

// Config is what a Client is made of.
type Config struct {
	// HTTP makes the requests: the egress guard's client. Required. Its redirect policy is not used, nor that of the others: a
	// token request is never redirected.
	HTTP *http.Client
	// Redeem makes the requests that redeem what cannot be redeemed again: a code, or a refresh token of a provider that forgives
	// no second time. It should use each connection for one request: the outcome of a request on a kept connection that was
	// just closed is not known, and the token may be lost. Default: HTTP.
	Redeem *http.Client
	// WithCertificate returns a client that shows a certificate. It is called once for each of the certificates used lately.
	// Default: none; mutual TLS is then a configuration error.
	WithCertificate func(tls.Certificate) *http.Client
	// Denied recognises errors of HTTP that say that an address may not be reached. Default: none does.
	Denied func(error) bool
	Tracer trace.TracerProvider // default: none
	Now    func() time.Time     // default: time.Now
}

// maxCertificates bounds the clients that are kept for certificates.
const maxCertificates = 256

// Client makes token requests. It implements token.Exchanger and is safe for concurrent use.
type Client struct {
	http         *http.Client
	redeem       *http.Client
	certificates *clienttls.Clients // nil: none are possible
	denied       func(error) bool
	tracer       trace.Tracer
	now          func() time.Time
	preferences  preferences
	nonces       dpop.Nonces
}

var _ token.Exchanger = (*Client)(nil)

// New returns a Client. Errors: Config.HTTP is missing.
func New(c Config) (*Client, error) {
	if c.HTTP == nil {
		return nil, errors.New("oauth: Config needs HTTP")
	}
	client := &Client{http: direct(c.HTTP), denied: c.Denied, now: c.Now}
	client.redeem = client.http
	if c.Redeem != nil {
		client.redeem = direct(c.Redeem)
	}
	if c.WithCertificate != nil {
		build := func(certificate tls.Certificate) *http.Client { return direct(c.WithCertificate(certificate)) }
		client.certificates = clienttls.NewClients(build, maxCertificates)
	}
	if client.denied == nil {
		client.denied = func(error) bool { return false }
	}
	if client.now == nil {
		client.now = time.Now
	}
	if c.Tracer == nil {
		c.Tracer = noop.NewTracerProvider()
	}
	client.tracer = c.Tracer.Tracer("github.com/freshet-io/freshet/services/token/oauth")
	return client, nil
}

// direct returns a client that follows no redirect.
func direct(c *http.Client) *http.Client {
	d := *c
	d.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &d
}

// Exchange implements token.Exchanger. With two client secrets there can be two requests, of which the first was refused before
// anything was redeemed.
func (c *Client) Exchange(ctx context.Context, settings token.OAuth2, grant token.Grant) (token.Answer, error) {
	secrets := secretsOf(&settings, grant.RefreshToken)
	return c.withSecret(&settings, func(secret seal.Secret) (token.Answer, error) {
		return c.request(ctx, &settings, secrets, func(ctx context.Context, now time.Time) (*http.Request, error) {
			request, err := tokenRequest(ctx, &settings, grant, secret, now)
			if err != nil {
				return nil, err
			}
			return request, c.prove(request, grant.Key, now)
		})
	})
}

// clientFor returns the HTTP client for a request.
func (c *Client) clientFor(s *token.OAuth2) (*http.Client, error) {
	switch {
	case showsCertificate(s) && c.certificates == nil:
		return nil, errors.New("mutual TLS is not set up")
	case showsCertificate(s):
		client, err := c.certificates.For(s.ClientCertificate.Chain, s.ClientCertificate.PrivateKey)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errClient, err)
		}
		return client, nil
	case spends(s):
		return c.redeem, nil
	default:
		return c.http, nil
	}
}
