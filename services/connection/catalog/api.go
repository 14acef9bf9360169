package catalog

import (
	"errors"
	"fmt"
	"time"

	"github.com/freshet-io/freshet/services/connection"
)

// API implements connection.Catalog. A base URL with values that only an authorization tells, and that account does not have, is left out.
func (c *Catalog) API(ref connection.ProviderRef, account map[string]string) (connection.API, error) {
	entry, values, err := c.values(ref, account)
	if err != nil {
		return connection.API{}, err
	}
	limit := entry.API.RateLimit
	api := connection.API{
		Hosts: entry.API.Hosts, Headers: entry.API.Headers,
		RateLimit: connection.APIRateLimit{
			Remaining: limit.Remaining, Reset: limit.Reset, ResetKind: limit.ResetKind, RetryAfter: limit.RetryAfter, Statuses: limit.Statuses,
		},
		Limit: entry.API.CallBudget.limit(), EncodedSlashes: entry.API.EncodedSlashes,
	}
	for _, name := range names(entry.API.Base) {
		if _, given := values[name]; !given {
			return api, nil
		}
	}
	if entry.API.Base != "" {
		api.BaseURL, err = Render(entry.API.Base, values)
	}
	return api, err
}

// limit is the budget as a rate.
func (b CallBudget) limit() connection.APILimit {
	period := time.Duration(b.Period)
	if period <= 0 {
		period = time.Second
	}
	return connection.APILimit{PerSecond: float64(b.Limit) / period.Seconds(), Burst: b.Burst}
}

// values are those of the instance and of an account.
func (c *Catalog) values(ref connection.ProviderRef, account map[string]string) (Listed, map[string]Value, error) {
	entry, err := c.Get(ref.ID)
	if err != nil {
		return Listed{}, nil, err
	}
	values, err := entry.Values(ref.Parameters)
	if wrong, ok := errors.AsType[*ParameterError](err); ok {
		return Listed{}, nil, wrong.violation()
	}
	if err != nil {
		return Listed{}, nil, err
	}
	for _, capture := range entry.captures() {
		if text, told := account[capture.Name]; told {
			values[capture.Name] = Value{Kind: capture.Kind, Text: text}
		}
	}
	return entry, values, nil
}

// violation is the error as one of the connection's settings.
func (e *ParameterError) violation() error {
	return &connection.ValidationError{Violations: []connection.Violation{{
		Field: fmt.Sprintf("oauth2.provider_parameters[%q]", e.Parameter), Description: e.Description,
	}}}
}
