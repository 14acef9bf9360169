package quota_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/gateway/proxy/quota"
)

func TestLimited(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	github := quota.Rules{Remaining: "X-RateLimit-Remaining", Reset: "X-RateLimit-Reset", ResetKind: "EPOCH", Statuses: []int{403}}
	for name, c := range map[string]struct {
		rules   quota.Rules
		status  int
		header  map[string]string
		limited bool
		wait    time.Duration // 0: not said
	}{
		"not limited":        {github, 200, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1767323105"}, false, 0},
		"seconds":            {quota.Rules{}, 429, map[string]string{"Retry-After": "30"}, true, 30 * time.Second},
		"date":               {quota.Rules{}, 429, map[string]string{"Retry-After": "Fri, 02 Jan 2026 03:05:05 GMT"}, true, time.Minute},
		"nothing said":       {quota.Rules{}, 429, nil, true, 0},
		"epoch":              {github, 403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1767323105"}, true, time.Minute},
		"forbidden":          {github, 403, map[string]string{"X-RateLimit-Remaining": "12", "X-RateLimit-Reset": "1767323105"}, false, 0},
		"another status":     {github, 503, map[string]string{"Retry-After": "30"}, false, 0},
		"milliseconds":       {quota.Rules{Reset: "Reset", ResetKind: "EPOCH_MILLISECONDS"}, 429, map[string]string{"Reset": "1767323105000"}, true, time.Minute},
		"from now":           {quota.Rules{Reset: "Reset"}, 429, map[string]string{"Reset": "1.5"}, true, 1500 * time.Millisecond},
		"RFC 3339":           {quota.Rules{Reset: "Reset", ResetKind: "RFC3339"}, 429, map[string]string{"Reset": "2026-01-02T03:05:05Z"}, true, time.Minute},
		"a header of theirs": {quota.Rules{RetryAfter: "X-Wait"}, 429, map[string]string{"X-Wait": "7", "Retry-After": "9"}, true, 7 * time.Second},
		"nonsense":           {quota.Rules{Reset: "Reset"}, 429, map[string]string{"Reset": "soon", "Retry-After": "-1"}, true, 0},
	} {
		header := http.Header{}
		for k, v := range c.header {
			header.Set(k, v)
		}
		until, limited := c.rules.Limited(c.status, header, now)
		require.Equal(t, c.limited, limited, name)
		require.Equal(t, c.wait == 0, until.IsZero(), name)
		if c.wait > 0 {
			require.Equal(t, c.wait, until.Sub(now), name)
		}
	}
}

func TestHolds(t *testing.T) {
	now := time.Now()
	var holds quota.Holds
	require.Zero(t, holds.Left("a", now))
	holds.Hold("a", now.Add(time.Minute), now)
	require.Equal(t, time.Minute, holds.Left("a", now))
	require.Zero(t, holds.Left("b", now))
	require.Zero(t, holds.Left("a", now.Add(time.Minute)))
	holds.Hold("a", now.Add(time.Hour), now)
	require.Equal(t, quota.MaxHold, holds.Left("a", now))
	holds.Hold("b", now.Add(-time.Second), now)
	require.Zero(t, holds.Left("b", now))
}

func TestLimits(t *testing.T) {
	now := time.Now()
	var limits quota.Limits
	for range 3 {
		require.Zero(t, limits.Take("a", 2, 3, now))
	}
	require.Equal(t, 500*time.Millisecond, limits.Take("a", 2, 3, now))
	require.Equal(t, 500*time.Millisecond, limits.Take("a", 2, 3, now), "a refused call costs nothing")
	require.Zero(t, limits.Take("b", 2, 3, now), "each token has its own")
	require.Zero(t, limits.Take("a", 2, 3, now.Add(500*time.Millisecond)))
	require.Positive(t, limits.Take("a", 2, 3, now.Add(500*time.Millisecond)))
	require.Zero(t, limits.Take("a", 0, 0, now), "no limit")
	require.Zero(t, limits.Take("a", 1000, 1000, now.Add(time.Second)), "the newest settings count")
	for i := range 10_100 {
		require.Zero(t, limits.Take(strconv.Itoa(i), 1, 1, now))
	}
}
