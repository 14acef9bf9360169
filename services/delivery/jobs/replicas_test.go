package jobs_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
	"github.com/freshet-io/freshet/services/delivery/jobs"
	"github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// TestReplicas: of several instances one drives a replay, whichever was asked for it, and another one can cancel it.
func TestReplicas(t *testing.T) {
	db := sqltest.Open(t, sqldb.Postgres, store.Migrations())
	var replicas []*world
	for range 3 {
		w := &world{network: &network{status: 200}, db: db}
		w.Suite = deliverytest.New(t, db, deliverytest.Options{Params: func(p *delivery.Params) { p.Sender = w.network }}).Run(t)
		<-w.Service.Joined()
		replicas = append(replicas, w)
	}
	first, last := replicas[0], replicas[2]
	_, err := first.Service.CreateArchive(t.Context(), delivery.Archive{Name: archive("all")}, delivery.Write{})
	require.NoError(t, err)
	first.Put(t, "shop", numbers(60)...)
	first.replay(t, "fast", func(j *jobs.Job) { j.Rate = 200 })
	first.replay(t, "slow", func(j *jobs.Job) { j.Rate = 1 })
	ended := func(id string, state jobs.State) jobs.Job {
		t.Helper()
		var j jobs.Job
		require.Eventually(t, func() bool {
			j = last.get(t, name(id))
			return j.State == state
		}, time.Minute, 5*time.Millisecond)
		return j
	}
	fast := ended("fast", jobs.Completed)
	require.EqualValues(t, 60, fast.Items)
	require.EqualValues(t, 1, fast.Fence, "it was claimed once")
	_, err = last.Jobs.Cancel(t.Context(), name("slow"))
	require.NoError(t, err)
	slow := ended("slow", jobs.Cancelled)
	require.Less(t, slow.Items, int64(60))
	events, err := last.Store.History(t.Context(), "p", time.Time{}, time.Now().Add(time.Hour), "", 500)
	require.NoError(t, err)
	require.Len(t, events, int(60+fast.Items+slow.Items), "each step was stored once")
}
