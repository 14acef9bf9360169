package e2e_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// job is what replays and redrives have in common.
type job struct {
	State              string
	StateReason        string
	ReplayedEventCount int `json:",string"`
	RedrivenCount      int `json:",string"`
	SkippedCount       int `json:",string"`
}

// count is how many a job has put again or started anew.
func (j job) count() int { return j.ReplayedEventCount + j.RedrivenCount }

// killed kills the process twice while a job is under way, and waits for its end.
func (s *scene) killed(t *testing.T, w Mortal, path string, all int) {
	t.Helper()
	look := func() (j job) {
		s.ok(t, http.MethodGet, path, nil, &j)
		return j
	}
	for _, least := range []int{all / 4, all / 2} {
		eventually(t, path+" under way", patience, func() error {
			j := look()
			return on(j.count() >= least, "%+v", j)
		})
		w.Kill(t)
		w.Start(t)
	}
	eventually(t, path+" completed", 2*patience, func() error {
		j := look()
		return on(j.State == "COMPLETED", "%+v", j)
	})
	j := look()
	require.Equal(t, all, j.count())
	require.Zero(t, j.SkippedCount)
}

// TestKilledJobs: a replay and a redrive that are cut off go on where they were: none is left out, none comes twice.
func TestKilledJobs(t *testing.T) {
	t.Parallel()
	const all = 90
	w := newProcesses(t, setup{env: quiet()})
	w.Start(t)
	s := newScene(t, w, time.Minute)
	s.connect(t, "crm", s.oauth2())
	s.ok(t, http.MethodPost, s.path()+"/buses/default/archives?archiveId=all", map[string]any{
		"eventPattern": `{"source":["orders"]}`, // not the changes of the connection's state, which come when they come
	}, nil)
	begin := time.Now().Add(-time.Hour)
	events := map[string]bool{}
	for i := range all {
		events[s.put(t, "orders", fmt.Sprintf("n%d", i))] = true
	}
	s.refuse.Store(http.StatusBadRequest) // what is replayed dies, to be redriven
	s.destine(t, "orders", "crm", "/orders/*", nil)
	s.ok(t, http.MethodPost, s.path()+"/replays?replayId=again", map[string]any{
		"source": s.project + "/buses/default/archives/all", "eventsPerSecond": 30,
		"startTime": begin.UTC().Format(time.RFC3339), "endTime": begin.Add(2 * time.Hour).UTC().Format(time.RFC3339),
	}, nil)
	s.killed(t, w, s.path()+"/replays/again", all)
	eventually(t, "the end of every delivery", patience, func() error {
		dead := len(s.list(t, "state = DEAD"))
		return on(dead == all, "%d are dead", dead)
	})
	require.Len(t, s.list(t, ""), all)

	s.refuse.Store(0)
	s.ok(t, http.MethodPost, s.path()+"/redrives?redriveId=again", map[string]any{"deliveriesPerSecond": 30}, nil)
	s.killed(t, w, s.path()+"/redrives/again", all)
	var delivered []delivery
	eventually(t, "every delivery", patience, func() error {
		delivered = s.list(t, "state = SUCCEEDED")
		return on(len(delivered) == all, "%d have succeeded", len(delivered))
	})
	for _, d := range delivered {
		var full struct {
			RedriveCount int
			Event        struct{ ID, Replay string }
		}
		s.ok(t, http.MethodGet, "/v1/"+d.Name, nil, &full)
		require.Equal(t, 1, full.RedriveCount)
		require.Equal(t, s.project+"/replays/again", full.Event.Replay)
		require.False(t, events[full.Event.ID], "a new event")
	}
	w.Stop(t)
}
