package delivery_test

import (
	"context"
	"strings"
	"sync"
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
