package app

import (
	accessv1 "github.com/freshet-io/freshet/gen/freshet/access/v1"
	"github.com/freshet-io/freshet/services/gateway/calls"
	"github.com/freshet-io/freshet/services/gateway/proxy"
)

// registerCalls registers the gateway's service of operations, where there is a proxy to do them.
func (p *process) registerCalls(through *proxy.Proxy) error {
	if through == nil {
		return nil
	}
	connections, err := p.network.to("connection", "gateway", nil)
	if err != nil {
		return err
	}
	server, err := calls.New(calls.Params{Proxy: through, Connection: connections, Pages: p.pages, Logger: p.logger("gateway")})
	if err != nil {
		return err
	}
	accessv1.RegisterCallServiceServer(p.server, server)
	return nil
}
