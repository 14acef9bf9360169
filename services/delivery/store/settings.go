package store

import "github.com/freshet-io/freshet/services/delivery"

// settings are the parts of a destination that have no column of their own. What is left out has its default.
type settings struct {
	Unlimited      bool `json:"unlimited,omitempty"`
	MaxConcurrency int  `json:"max_concurrency,omitempty"`
}

func encodeSettings(d *delivery.Destination) (string, error) {
	s := settings{Unlimited: d.Unlimited}
	if d.MaxConcurrency != delivery.DefaultConcurrency {
		s.MaxConcurrency = d.MaxConcurrency
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
	return nil
}
