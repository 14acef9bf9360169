package store

import (
	"time"

	"github.com/freshet-io/freshet/services/delivery"
)

// exchange is a delivery.Exchange as it is stored, in a form that costs little. Times are microseconds.
type exchange struct {
	Steps           [4]int64          `json:"t"` // DNS, connect, TLS, first byte
	Reused          bool              `json:"u,omitempty"`
	Remote          string            `json:"a,omitempty"`
	Protocol        string            `json:"p,omitempty"`
	RequestHeaders  map[string]string `json:"q,omitempty"`
	ResponseHeaders map[string]string `json:"s,omitempty"`
}

// encodeExchange returns "" for nil.
func encodeExchange(e *delivery.Exchange) (string, error) {
	if e == nil {
		return "", nil
	}
	return encode(exchange{
		Steps: [4]int64{
			e.DNS.Microseconds(), e.Connect.Microseconds(), e.TLS.Microseconds(), e.FirstByte.Microseconds(),
		},
		Reused: e.Reused, Remote: e.Remote, Protocol: e.Protocol,
		RequestHeaders: e.RequestHeaders, ResponseHeaders: e.ResponseHeaders,
	})
}

func decodeExchange(text string) (*delivery.Exchange, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // nothing is known
	}
	var e exchange
	if err := decode(text, &e); err != nil {
		return nil, err
	}
	step := func(i int) time.Duration { return time.Duration(e.Steps[i]) * time.Microsecond }
	return &delivery.Exchange{
		DNS: step(0), Connect: step(1), TLS: step(2), FirstByte: step(3), Reused: e.Reused, Remote: e.Remote, Protocol: e.Protocol,
		RequestHeaders: e.RequestHeaders, ResponseHeaders: e.ResponseHeaders,
	}, nil
}
