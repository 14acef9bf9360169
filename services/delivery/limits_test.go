package delivery_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
)

// TestUnlimitedRate: what has no rate is sent at once.
func TestUnlimitedRate(t *testing.T) {
	inBubble(t, func() delivery.Response { return delivery.Response{Status: 200} },
		func(t *testing.T, s *deliverytest.Suite, n *network) {
			_, err := s.Service.UpdateDestination(t.Context(), delivery.DestinationName{Project: "p", Destination: "shop"}, delivery.Write{},
				func(d *delivery.Destination) error { d.RateLimit, d.Unlimited = 1, true; return nil })
			require.NoError(t, err)
			s.Rule(t, "shop", nil)
			synctest.Wait() // the credential is there
			begin := time.Now()
			s.Put(t, "shop", numbers(500)...)
			synctest.Wait()
			require.Len(t, n.times(), 500)
			require.Equal(t, begin, n.times()[499])
		})
}

// TestMaxConcurrency: no more attempts than that are under way, whatever the rate allows.
func TestMaxConcurrency(t *testing.T) {
	var answers chan delivery.Response
	inBubble(t, func() delivery.Response { return <-answers },
		func(t *testing.T, s *deliverytest.Suite, n *network) {
			answers = make(chan delivery.Response)
			s.Destination(t, "slow", "https://api.example", func(d *delivery.Destination) { d.Unlimited, d.MaxConcurrency = true, 3 })
			s.Rule(t, "slow", nil)
			s.Put(t, "slow", numbers(10)...)
			synctest.Wait()
			require.Len(t, n.times(), 3)
			answers <- delivery.Response{Status: 200}
			synctest.Wait()
			require.Len(t, n.times(), 4)
			for range 9 {
				answers <- delivery.Response{Status: 200}
			}
			synctest.Wait()
			require.Len(t, n.times(), 10)
		})
}
