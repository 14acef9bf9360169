package connection

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWarningsOfAGrant(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		policy, lasts time.Duration
		want          []time.Duration // before the end
	}{
		"default":                  {0, 90 * day, []time.Duration{14 * day, 7 * day, 3 * day, day}},
		"longer":                   {28 * day, 90 * day, []time.Duration{28 * day, 7 * day, 3 * day, day}},
		"as long as a fixed one":   {7 * day, 90 * day, []time.Duration{7 * day, 3 * day, day}},
		"shorter than all":         {time.Hour, 90 * day, []time.Duration{time.Hour}},
		"begins within the first":  {0, 10 * day, []time.Duration{7 * day, 3 * day, day}},
		"begins with one":          {0, 7 * day, []time.Duration{3 * day, day}},
		"too short for any":        {0, time.Hour, nil},
		"has ended when it begins": {0, -time.Hour, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var c Connection
			c.Settings.OAuth2.Refresh.GrantWarning = test.policy
			c, moved := c.expecting(now.Add(test.lasts), now)
			require.True(t, moved)
			var got []time.Duration
			for at := c.GrantWarningTime; !at.IsZero(); at = c.Settings.nextWarning(c.GrantExpireTime, at) {
				require.True(t, at.After(now))
				got = append(got, c.GrantExpireTime.Sub(at))
			}
			require.Equal(t, test.want, got)
			_, moved = c.expecting(c.GrantExpireTime, now.Add(test.lasts/2))
			require.False(t, moved, "reported again")
		})
	}
}
