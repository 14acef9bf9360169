package wire

import (
	"fmt"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/connection"
)

// FromAPI returns the message of the API of a connection or grant.
func FromAPI(of fmt.Stringer, api connection.API) *connectionv1.Api {
	limit := &connectionv1.ApiRateLimit{
		RemainingHeader: api.RateLimit.Remaining, ResetHeader: api.RateLimit.Reset, RetryAfterHeader: api.RateLimit.RetryAfter,
		ResetKind: connectionv1.ApiRateLimit_ResetKind(connectionv1.ApiRateLimit_ResetKind_value[api.RateLimit.ResetKind]),
	}
	for _, status := range api.RateLimit.Statuses {
		limit.Statuses = append(limit.Statuses, int32(status))
	}
	return &connectionv1.Api{
		Name: of.String() + "/api", BaseUrl: api.BaseURL, Hosts: api.Hosts, Headers: api.Headers, RateLimit: limit,
		RequestsPerSecond: api.Limit.PerSecond, Burst: api.Limit.Burst, EncodedSlashes: api.EncodedSlashes,
	}
}

func toProxy(m *connectionv1.ProxySettings) connection.Proxy {
	return connection.Proxy{
		Limit: connection.APILimit{PerSecond: m.GetRequestsPerSecond(), Burst: m.GetBurst()}, EncodedSlashes: m.GetEncodedSlashes(),
	}
}

func fromProxy(p connection.Proxy) *connectionv1.ProxySettings {
	if p == (connection.Proxy{}) {
		return nil
	}
	return &connectionv1.ProxySettings{RequestsPerSecond: p.Limit.PerSecond, Burst: p.Limit.Burst, EncodedSlashes: p.EncodedSlashes}
}
