package store

import (
	"time"

	"github.com/freshet-io/freshet/services/delivery"
)

// settings are the parts of a destination that have no column of their own. What is left out has its default.
type settings struct {
	Unlimited      bool     `json:"unlimited,omitempty"`
	MaxConcurrency int      `json:"max_concurrency,omitempty"`
	Breaker        *breaker `json:"breaker,omitempty"`
	Detail         int      `json:"detail,omitempty"`
	Unauthorized   []int    `json:"unauthorized,omitempty"`
	Retryable      []int    `json:"retryable,omitempty"`
	Permanent      []int    `json:"permanent,omitempty"`
	// IdempotencyHeader is the name of a header.
	IdempotencyHeader string `json:"idempotency_header,omitempty"`
}

// breaker is a delivery.Breaker as it is stored. Durations are nanoseconds.
type breaker struct {
	Disabled     bool          `json:"disabled,omitempty"`
	Failures     int           `json:"failures,omitempty"`
	FailingTime  time.Duration `json:"failing_time,omitempty"`
	Probe        time.Duration `json:"probe,omitempty"`
	LongestProbe time.Duration `json:"longest_probe,omitempty"`
}

func encodeSettings(d *delivery.Destination) (string, error) {
	s := settings{
		Unlimited: d.Unlimited, Unauthorized: d.Statuses.Unauthorized, Retryable: d.Statuses.Retryable, Permanent: d.Statuses.Permanent,
	}
	if d.IdempotencyHeader != delivery.DefaultIdempotencyHeader {
		s.IdempotencyHeader = d.IdempotencyHeader
	}
	if d.MaxConcurrency != delivery.DefaultConcurrency {
		s.MaxConcurrency = d.MaxConcurrency
	}
	if d.Detail != delivery.DetailFailures {
		s.Detail = int(d.Detail)
	}
	if d.Breaker != (delivery.Breaker{}) {
		s.Breaker = (*breaker)(&d.Breaker)
	}
	return encode(s)
}

func decodeSettings(text string, d *delivery.Destination) error {
	s := settings{}
	if err := decode(text, &s); err != nil {
		return err
	}
	d.Unlimited, d.MaxConcurrency = s.Unlimited, s.MaxConcurrency
	if d.MaxConcurrency == 0 {
		d.MaxConcurrency = delivery.DefaultConcurrency
	}
	d.Statuses = delivery.Statuses{Unauthorized: s.Unauthorized, Retryable: s.Retryable, Permanent: s.Permanent}
	if d.IdempotencyHeader = s.IdempotencyHeader; d.IdempotencyHeader == "" {
		d.IdempotencyHeader = delivery.DefaultIdempotencyHeader
	}
	if d.Detail = delivery.Detail(s.Detail); d.Detail == 0 {
		d.Detail = delivery.DetailFailures
	}
	if s.Breaker != nil {
		d.Breaker = delivery.Breaker(*s.Breaker)
	}
	return nil
}
