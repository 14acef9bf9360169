package app

import (
	"net/http"
	"slices"

	"github.com/freshet-io/freshet/services/gateway/proxy"
	"github.com/freshet-io/freshet/services/gateway/proxy/invoke"
	"github.com/freshet-io/freshet/services/internal/authn"
)

// proxyConnections is how many idle connections to one API are kept.
const proxyConnections = 256

// apiProxy makes the API proxy; nil where the gateway role does not run here.
func (p *process) apiProxy() (*proxy.Proxy, error) {
	if !slices.Contains(p.config.Roles, "gateway") {
		return nil, nil //nolint:nilnil // The process serves without one.
	}
	connections, err := p.network.to("connection", "gateway", nil)
	if err != nil {
		return nil, err
	}
	// The name is of the connection: it has another credential than that which passes on callers' own.
	tokens, err := p.network.to("token", "gateway proxy", p.internal.Credentials(authn.ServiceGateway))
	if err != nil {
		return nil, err
	}
	settings := p.config.Proxy
	client := p.egress.ClientWith(func(t *http.Transport) {
		t.ResponseHeaderTimeout = settings.AnswerTimeout
		t.MaxIdleConnsPerHost = proxyConnections
		t.DisableCompression = true // bodies pass as they are
	})
	through, err := proxy.New(proxy.Params{
		Connection: connections, Token: tokens, Transport: client.Transport,
		Timeout: settings.Timeout, MaxRequest: settings.MaxRequest << 20, MaxResponse: settings.MaxResponse << 20,
		Calls:  p.calls,
		Logger: p.logger("proxy"), TracerProvider: p.telemetry.TracerProvider, MeterProvider: p.telemetry.MeterProvider, Now: p.now,
	})
	if err == nil {
		invoke.Register(p.server, through)
	}
	return through, err
}
