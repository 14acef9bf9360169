package catalog

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

const day = 24 * time.Hour

// Duration is written as 90d, 8h, 10m, 30s, or several of them one after the other.
type Duration time.Duration

// UnmarshalYAML implements yaml.Unmarshaler.
func (d *Duration) UnmarshalYAML(node *yaml.Node) error {
	parsed, err := parseDuration(node.Value)
	if err != nil {
		return fmt.Errorf("line %d: %w", node.Line, err)
	}
	*d = parsed
	return nil
}

// MarshalYAML implements yaml.Marshaler.
func (d Duration) MarshalYAML() (any, error) { return d.String(), nil }

// IsZero makes omitempty leave it out.
func (d Duration) IsZero() bool { return d == 0 }

// String implements fmt.Stringer, in the form in which it is read.
func (d Duration) String() string {
	days, rest := time.Duration(d)/day, time.Duration(d)%day
	text := rest.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	switch {
	case days == 0:
		return text
	case rest == 0:
		return fmt.Sprintf("%dd", days)
	default:
		return fmt.Sprintf("%dd%s", days, text)
	}
}

func parseDuration(text string) (Duration, error) {
	wrong := fmt.Errorf("%q is no duration: write 90d, 8h, 10m or 30s", text)
	rest, days := text, time.Duration(0)
	if before, after, found := strings.Cut(text, "d"); found {
		n, err := strconv.ParseUint(before, 10, 16)
		if err != nil {
			return 0, wrong
		}
		days, rest = time.Duration(n)*day, after
	}
	if rest == "" && days > 0 {
		return Duration(days), nil
	}
	parsed, err := time.ParseDuration(rest)
	if err != nil || parsed < 0 || parsed > 100*366*day {
		return 0, wrong
	}
	return Duration(days + parsed), nil
}
