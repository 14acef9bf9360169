package delivery_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
	"github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// putGroup puts an event of a group.
func putGroup(t *testing.T, s *deliverytest.Suite, group, detail string) string {
	t.Helper()
	results, err := s.Service.PutEvents(t.Context(), deliverytest.Default, []delivery.Entry{
		{Source: "shop", DetailType: "T", Detail: detail, GroupID: group},
	}, false)
	require.NoError(t, err)
	require.Empty(t, results[0].Code, results[0].Message)
	return results[0].EventID
}

func bodyOnly(r *delivery.Rule) { r.Targets[0].InputPath = "$.detail" }

// TestGroupsKeepTheirOrder: each group's events arrive in order, once each, although some attempts fail; and the groups do not wait for each
// other.
func TestGroupsKeepTheirOrder(t *testing.T) {
	const groups, each = 5, 12
	sqltest.Each(t, store.Migrations(), func(t *testing.T, db *sqldb.DB) {
		var mu sync.Mutex
		failed := map[string]bool{}
		to := newSink(t, func(w http.ResponseWriter, r *http.Request, n int) {
			mu.Lock()
			defer mu.Unlock()
			if id := r.Header.Get("Idempotency-Key"); n%7 == 0 && !failed[id] {
				failed[id] = true
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})
		s := deliverytest.New(t, db, deliverytest.Options{}).Run(t)
		s.Destination(t, "shop", to.URL, func(d *delivery.Destination) { d.Unlimited = true })
		s.Rule(t, "shop", func(r *delivery.Rule) {
			r.Targets[0].InputPath, r.Targets[0].GroupPath = "$.detail.n", "$.detail.customer"
		})
		var last string
		for n := range each {
			for g := range groups {
				last = s.Put(t, "shop", fmt.Sprintf(`{"customer":"c%d","n":"c%d-%02d"}`, g, g, n))[0]
			}
		}
		require.Equal(t, "c4", await(t, s, last, inState(delivery.Succeeded)).Group)
		await(t, s, last, func(*delivery.Delivery) bool {
			open, err := s.Service.ListDeliveries(t.Context(), "p", delivery.Filter{State: delivery.Succeeded}, "", 1000)
			require.NoError(t, err)
			return len(open) == groups*each
		})
		seen := map[string][]string{}
		for _, r := range to.all() {
			group, _, _ := strings.Cut(strings.Trim(r.Body, `"`), "-")
			if list := seen[group]; len(list) == 0 || list[len(list)-1] != r.Body { // a retry follows its attempt at once
				seen[group] = append(list, r.Body)
			}
		}
		require.Len(t, seen, groups)
		for group, bodies := range seen {
			require.Len(t, bodies, each)
			for n, body := range bodies {
				require.Equal(t, fmt.Sprintf(`"%s-%02d"`, group, n), body)
			}
		}
	})
}

// TestFailingEventBlocksOnlyItsGroup: until it is given up; then its group goes on, and a redrive puts it at the end.
func TestFailingEventBlocksOnlyItsGroup(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	var tries atomic.Int32
	seen := make(chan struct{})
	fail := sync.OnceFunc(func() { close(seen) }) // lets the second try fail
	var to *sink
	to = newSink(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if broken.Load() && strings.Contains(to.all()[n-1].Body, "poison") {
			if tries.Add(1) == 2 {
				<-seen
			}
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	s := newShop(t, to.URL, func(r *delivery.Rule) {
		bodyOnly(r)
		one := 1
		r.Targets[0].Retry.Retries = &one
	}, func(d *delivery.Destination) { d.Timeout = 30 * time.Second })
	t.Cleanup(fail)
	poison := putGroup(t, s, "a", `{"x":"poison"}`)
	second := putGroup(t, s, "a", `{"x":"second"}`)
	third := putGroup(t, s, "a", `{"x":"third"}`)
	await(t, s, putGroup(t, s, "b", `{"x":"other"}`), inState(delivery.Succeeded))
	behind := await(t, s, second, inState(delivery.Pending))
	require.True(t, behind.IsBehind())
	require.Zero(t, behind.Attempts)
	fail()
	dead := await(t, s, poison, inState(delivery.Dead))
	await(t, s, third, inState(delivery.Succeeded))
	bodies := func() (list []string) {
		for _, r := range to.all() {
			if body := strings.TrimSuffix(strings.TrimPrefix(r.Body, `{"x":"`), `"}`); body != "other" { // which is in no order with these
				list = append(list, body)
			}
		}
		return list
	}
	require.Equal(t, []string{"poison", "poison", "second", "third"}, bodies())

	broken.Store(false)
	_, err := s.Service.RedriveDelivery(t.Context(), dead.ID, delivery.Edit{})
	require.NoError(t, err)
	await(t, s, poison, inState(delivery.Succeeded))
}

// TestOrderOutlivesTheProcess: a process dies without a word in the middle of a group, the next one goes on where it was.
func TestOrderOutlivesTheProcess(t *testing.T) {
	const count = 30
	to := newSink(t, nil)
	path := filepath.Join(t.TempDir(), "db")
	for round := range 3 {
		db, err := sqldb.OpenSQLite(t.Context(), path, sqldb.Options{})
		require.NoError(t, err)
		require.NoError(t, db.Migrate(t.Context(), store.Migrations()))
		gone := make(chan struct{})
		s := deliverytest.New(t, db, deliverytest.Options{Params: func(p *delivery.Params) {
			p.Drain = 10 * time.Millisecond
			p.Store = &failingStore{Store: p.Store, gone: gone}
		}}).Run(t)
		if round == 0 {
			s.Destination(t, "shop", to.URL, nil)
			s.Rule(t, "shop", bodyOnly)
			for n := range count {
				putGroup(t, s, "g", fmt.Sprintf(`{"n":%d}`, n))
			}
		}
		if round < 2 {
			to.wait(t, (round+1)*count/4)
			close(gone)
		} else {
			require.Eventually(t, func() bool {
				list, err := s.Service.ListDeliveries(t.Context(), "p", delivery.Filter{State: delivery.Succeeded}, "", 1000)
				require.NoError(t, err)
				return len(list) == count
			}, time.Minute, 10*time.Millisecond)
		}
		s.Stop()
		require.NoError(t, db.Close())
	}
	next := 0
	for _, r := range to.all() {
		if r.Body == fmt.Sprintf(`{"n":%d}`, next-1) {
			continue // in flight when the process died
		}
		require.Equal(t, fmt.Sprintf(`{"n":%d}`, next), r.Body)
		next++
	}
	require.Equal(t, count, next)
}
