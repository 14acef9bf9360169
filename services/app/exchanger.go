package app

import (
	"crypto/tls"
	"net/http"

	"github.com/freshet-io/freshet/services/internal/egress"
	"github.com/freshet-io/freshet/services/token/oauth"
	"github.com/freshet-io/freshet/services/token/oauth/clienttls"
)

// newExchanger returns the token client with its three ways through the egress guard: kept connections, connections for one
// request each, and the same with a client certificate.
func newExchanger(p *process) (*oauth.Client, error) {
	return oauth.New(oauth.Config{
		HTTP:   p.egress.Client(),
		Redeem: p.egress.ClientWith(egress.OneRequest),
		WithCertificate: func(certificate tls.Certificate) *http.Client {
			return p.egress.ClientWith(func(t *http.Transport) {
				egress.OneRequest(t)
				// Unlike Certificates this also shows one that is of none of the authorities that the server names: a self-signed one.
				t.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					return &certificate, nil
				}
				t.DialTLSContext = clienttls.Dial(t.DialContext, t.TLSClientConfig, clienttls.Patience)
			})
		},
		Denied: egress.IsDenied,
		Tracer: p.telemetry.TracerProvider,
		Now:    p.now,
	})
}
