package delivery_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
	"github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// neighbours is a Sender to two destinations, of which one is in trouble.
type neighbours struct {
	trouble func() delivery.Response

	mu      sync.Mutex
	arrived []time.Time // at the other one
	tried   int         // the one in trouble
}

// Send implements delivery.Sender.
func (n *neighbours) Send(_ context.Context, r delivery.Request) delivery.Response {
	n.mu.Lock()
	if strings.Contains(r.URL, "well.example") {
		n.arrived = append(n.arrived, time.Now())
		n.mu.Unlock()
		return delivery.Response{Status: 200}
	}
	n.tried++
	n.mu.Unlock()
	return n.trouble()
}

// TestTroubleDelaysNoNeighbour: while one destination is slow, dead, limited or throttled with a backlog, another one's events arrive at the
// moment they are put, every one of them.
func TestTroubleDelaysNoNeighbour(t *testing.T) {
	for name, c := range map[string]struct {
		trouble func() delivery.Response
		rate    int
	}{
		"slow": {func() delivery.Response {
			<-time.After(5 * time.Second)
			return delivery.Response{Failure: delivery.TimedOut}
		}, 300},
		"dead":      {func() delivery.Response { return delivery.Response{Failure: delivery.ConnectFailed} }, 300},
		"throttled": {func() delivery.Response { return delivery.Response{Status: 429} }, 300},
		"limited":   {func() delivery.Response { return delivery.Response{Status: 200} }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &neighbours{trouble: c.trouble}
				s := deliverytest.New(t, sqltest.Open(t, sqldb.SQLite, store.Migrations()), deliverytest.Options{
					Params: func(p *delivery.Params) { p.Sender = n },
				}).Run(t)
				s.Destination(t, "ill", "https://ill.example", func(d *delivery.Destination) { d.RateLimit = c.rate })
				s.Destination(t, "well", "https://well.example", nil)
				s.Rule(t, "ill", nil)
				s.Rule(t, "well", nil)
				synctest.Wait()
				s.Put(t, "ill", numbers(200)...)
				for i := range 50 {
					time.Sleep(100 * time.Millisecond)
					put := time.Now()
					s.Put(t, "well", `{}`)
					synctest.Wait()
					n.mu.Lock()
					require.Len(t, n.arrived, i+1)
					require.Equal(t, put, n.arrived[i])
					require.Positive(t, n.tried)
					n.mu.Unlock()
				}
				s.Stop()
			})
		})
	}
}

// TestDeadDestinationIsTriedSlowly: what fails at once is not tried as fast as the machine can, and when it answers again nothing is slow.
func TestDeadDestinationIsTriedSlowly(t *testing.T) {
	for name, breaker := range map[string]delivery.Breaker{"with a circuit": {}, "without": {Disabled: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var dead atomic.Bool
				dead.Store(true)
				n := &neighbours{trouble: func() delivery.Response {
					if dead.Load() {
						return delivery.Response{Failure: delivery.ConnectFailed}
					}
					return delivery.Response{Status: 200}
				}}
				s := deliverytest.New(t, sqltest.Open(t, sqldb.SQLite, store.Migrations()), deliverytest.Options{
					Params: func(p *delivery.Params) { p.Sender = n },
				}).Run(t)
				s.Destination(t, "ill", "https://ill.example", func(d *delivery.Destination) { d.Unlimited, d.Breaker = true, breaker })
				s.Rule(t, "ill", nil)
				synctest.Wait()
				const count = 1000
				s.Put(t, "ill", numbers(count)...)
				tried := func() int {
					n.mu.Lock()
					defer n.mu.Unlock()
					return n.tried
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				require.Less(t, tried(), 20+64+10*20+20, "those that were under way when it showed, and 20 a second")
				require.Greater(t, tried(), 100)

				dead.Store(false)
				before := tried()
				time.Sleep(30 * time.Second) // no retry waits longer by then
				synctest.Wait()
				require.Equal(t, count, tried()-before, "all that waited")
				s.Stop()
			})
		})
	}
}
