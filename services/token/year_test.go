package token_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/schedule"
)

// nthKey names the connections of a crowd.
func nthKey(i int) token.Key {
	return token.Key{Project: "default", Connection: fmt.Sprintf("crm-%d", i)}
}

// crowd authorizes so many connections within one instant.
func (s *suite) crowd(svc *token.Service, n int) {
	s.t.Helper()
	for i := range n {
		s.connections.set(nthKey(i).ConnectionName(), settings(1))
		_, err := svc.Authorize(s.t.Context(), nthKey(i), uid, 1)
		require.NoError(s.t, err)
	}
	synctest.Wait()
}

// TestHerdSpreads: tokens that were obtained in one second are refreshed over the whole jitter window.
func TestHerdSpreads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		s := newSuite(t, openSQLite(t), time.Hour)
		p := s.params()
		p.Logger = nil
		svc, _ := s.start(p)
		start := time.Now()
		s.crowd(svc, n)
		require.Less(t, time.Since(start), time.Second)
		time.Sleep(time.Hour)
		synctest.Wait()

		var first, last time.Time
		perSecond := map[time.Time]int{}
		for i := range n {
			rotations, err := svc.Rotations(t.Context(), nthKey(i), "", 1)
			require.NoError(t, err)
			at := rotations[0].StartTime
			require.EqualValues(t, 2, rotations[0].Generation)
			perSecond[at.Truncate(time.Second)]++
			if first.IsZero() || at.Before(first) {
				first = at
			}
			if at.After(last) {
				last = at
			}
		}
		nominal := schedule.Window(time.Hour, 0) / 4
		require.GreaterOrEqual(t, last.Sub(first), nominal*9/10)
		for second, count := range perSecond {
			require.Less(t, count, 30, "at %v; evenly it would be %d", second, n/int(nominal.Seconds()))
		}
	})
}

// errRefused is what a host without a server says.
var errRefused = errors.New("connection refused")

// outages are times in which the authorization server is out of reach. They do not overlap.
type outages struct {
	http.RoundTripper

	from, to []time.Time
}

// newOutages returns outages of minutes to hours, some days apart.
func newOutages(next http.RoundTripper, start, end time.Time, random *rand.Rand) *outages {
	o := &outages{RoundTripper: next}
	for at := start; ; {
		at = at.Add(time.Duration(random.ExpFloat64() * float64(36*time.Hour)))
		if at.After(end) {
			return o
		}
		o.from = append(o.from, at)
		at = at.Add(time.Minute + time.Duration(min(random.ExpFloat64()*float64(time.Hour), float64(8*time.Hour))))
		o.to = append(o.to, at)
	}
}

// RoundTrip implements http.RoundTripper.
func (o *outages) RoundTrip(r *http.Request) (*http.Response, error) {
	now := time.Now()
	for i := range o.from {
		if !now.Before(o.from[i]) && now.Before(o.to[i]) {
			return nil, errRefused
		}
	}
	return o.RoundTripper.RoundTrip(r)
}

// reachable reports whether the server could be reached between two times for long enough that an attempt must have fallen into it: backoff
// never waits longer than a quarter of the life that remains, or ten seconds.
func (o *outages) reachable(from, expire time.Time) bool {
	check := func(up, down time.Time) bool {
		return down.Sub(up) > max(expire.Sub(up)/4, 10*time.Second)+time.Second
	}
	for i := range o.from {
		if o.to[i].Before(from) || o.from[i].After(expire) {
			continue
		}
		if o.from[i].After(from) && check(from, o.from[i]) {
			return true
		}
		from = o.to[i]
	}
	return from.Before(expire) && check(from, expire)
}

// TestYear runs hourly tokens of a few connections for a month, under the race detector for some days, with outages of minutes to hours;
// FRESHET_TEST_YEAR says how many connections and days instead, as 1000x365. No token expires without its successor if the server could be
// reached in its refresh window, and all return by themselves.
func TestYear(t *testing.T) {
	n, year := 4, 30*24*time.Hour
	if asked := os.Getenv("FRESHET_TEST_YEAR"); asked != "" {
		var days int
		_, err := fmt.Sscanf(asked, "%dx%d", &n, &days)
		require.NoError(t, err, "FRESHET_TEST_YEAR is connections x days")
		year = time.Duration(days) * 24 * time.Hour
	} else if raced {
		year = 4 * 24 * time.Hour
	}
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		start := time.Now()
		provider := newOutages(s.transport, start.Add(time.Minute), start.Add(year), rand.New(rand.NewPCG(1, 2)))
		s.transport = provider
		p := s.params()
		p.Logger = nil
		svc, stop := s.start(p)
		s.crowd(svc, n)

		watcher := svc.Watch(t.Context())
		defer watcher.Close(t.Context())
		for i := range n {
			require.NoError(t, watcher.Add(t.Context(), nthKey(i)))
		}
		end := time.After(year)
		latest := map[token.Key]token.Token{}
		var rotations, lapses int
		for over := false; !over; {
			select {
			case <-watcher.Wake():
			case <-end:
				over = true
			}
			for _, update := range watcher.Take() {
				now, got, before := time.Now(), update.Token, latest[update.Token.Key]
				if got.Generation == before.Generation {
					continue
				}
				rotations++
				require.True(t, got.ValidAt(now))
				if before.Generation > 0 && now.After(before.ExpireTime) {
					lapses++
					require.False(t, provider.reachable(before.RefreshAt, before.ExpireTime),
						"%s expired at %v, refreshed at %v", got.Key.Name(), before.ExpireTime, now)
				}
				latest[got.Key] = got
			}
		}
		stop()
		require.Len(t, latest, n)
		for _, got := range latest {
			require.Greater(t, got.Generation, int64(year/time.Hour), "one an hour at least")
		}
		t.Logf("%d rotations, %d outages, %d times no token for want of a server", rotations, len(provider.from), lapses)
		require.Positive(t, lapses, "outages longer than the window were among them")
	})
}
