package rpc

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	"github.com/freshet-io/freshet/services/delivery"
)

func setExchange(m *deliveryv1.Attempt, e *delivery.Exchange) {
	if e == nil {
		return
	}
	m.DnsDuration, m.ConnectDuration = duration(e.DNS), duration(e.Connect)
	m.TlsDuration, m.FirstByteDuration = duration(e.TLS), duration(e.FirstByte)
	m.ConnectionReused, m.RemoteAddress, m.Protocol = e.Reused, e.Remote, e.Protocol
	m.RequestHeaders, m.ResponseHeaders = e.RequestHeaders, e.ResponseHeaders
}

// duration leaves out zero.
func duration(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}
