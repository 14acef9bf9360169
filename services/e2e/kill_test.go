package e2e_test

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery/dispatch"
	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// TestKill kills the serving process again and again under load, while the API fails, hangs and breaks off. What was acknowledged is
// delivered, twice only if it was in flight at a kill or the API did not say that it took it, groups in order; and no generation of the
// token is redeemed without a record of it. FRESHET_TEST_KILLS=100 kills more often than the 30 times of every run.
func TestKill(t *testing.T) {
	t.Parallel()
	kills := 30
	if asked := os.Getenv("FRESHET_TEST_KILLS"); asked != "" {
		var err error
		kills, err = strconv.Atoi(asked)
		require.NoError(t, err)
	}
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		begin := time.Now()
		rotations := testKill(t, newProcesses(t, setup{env: quiet()}), kills)
		// The store's former process is known to be dead, so nothing waits for its lease to run out.
		require.Greater(t, rotations, min(int(time.Since(begin)/(3*lifetime)), kills/3), "each of few kills on a slow machine")
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		testKill(t, newProcesses(t, setup{env: quiet(), database: sqltest.PostgresDSN(t)}), kills/6)
	})
}

// What a life of the process is like.
const (
	publishers = 8
	lanes      = 4     // destinations
	ordered    = lanes // one more, of events in groups
	mostAcks   = 40
	longest    = 500 * time.Millisecond
	lifetime   = 2 * time.Second // of tokens
)

// testKill returns how many generations were made.
func testKill(t *testing.T, w Mortal, kills int) int {
	t.Helper()
	begin := time.Now()
	w.Start(t)
	s := newScene(t, w, lifetime)
	s.auth.Inject(authserver.Fault{Kind: authserver.FaultDelay, Delay: 50 * time.Millisecond}) // so that kills hit refreshes under way
	s.connect(t, "crm", s.oauth2())
	moody := newMoodyAPI(t, s)
	for i := range lanes + 1 {
		moody.destine(t, i)
	}
	load := startLoad(t, s)

	for range kills {
		load.live(t, 1+rand.IntN(mostAcks), rand.N(longest))
		w.Kill(t)
		moody.reborn(t)
		w.Start(t)
	}
	load.live(t, mostAcks, longest)
	acknowledged, unknown := load.stop(t)
	moody.calm()
	eventually(t, "delivery of everything acknowledged", 2*patience, func() error {
		missing := 0
		for id := range acknowledged {
			if moody.delivered()[id] == 0 {
				missing++
			}
		}
		return on(missing == 0, "%d of %d are missing", missing, len(acknowledged))
	})
	eventually(t, "the end of every delivery", patience, func() error {
		open := len(s.list(t, "state = PENDING")) + len(s.list(t, "state = DELIVERING"))
		return on(open == 0, "%d have not ended", open)
	})
	require.Empty(t, s.list(t, "state = DEAD"))
	require.Empty(t, s.list(t, "state = CANCELLED"))

	delivered, duplicates := moody.delivered(), 0
	for id, times := range delivered {
		require.True(t, acknowledged[id] || unknown[id], "%s was never put", id)
		duplicates += times - 1
	}
	inFlight, grouped := moody.requireCause(t), moody.requireOrder(t)
	total, most := 0, 0
	for life, n := range inFlight {
		total, most = total+n, max(most, n)
		require.LessOrEqual(t, n, (lanes+1)*dispatch.DefaultConcurrency, "events that came again after death %d", life)
	}
	rotations := requireAccounted(t, s, kills)
	w.Stop(t)
	t.Logf("%d kills in %v: %d events acknowledged, %d without an answer, %d delivered, %d of them in groups and in order; %d duplicates, "+
		"%d of them in flight at a kill, most of a kill: %d; %d rotations, %d calls refused with 401",
		kills, time.Since(begin).Round(time.Millisecond), len(acknowledged), len(unknown), len(delivered), grouped, duplicates,
		total, most, rotations, s.api.Stats().Unauthorized)
	return rotations
}

// requireAccounted checks the journal of rotations against the authorization server's own record, and returns how many committed.
func requireAccounted(t *testing.T, s *scene, kills int) int {
	t.Helper()
	number := s.current(t, "crm").Generation
	s.follow(t, s.token("crm")).await(t, "generations after the last kill", generation(number+2))
	eventually(t, "the end of open rotations", patience, func() error {
		for _, r := range s.rotations(t, "crm")[1:] { // the newest may just run
			if r.State == "INTENT" || r.State == "RESPONDED" {
				return on(false, "%+v", r)
			}
		}
		return nil
	})
	tok := s.current(t, "crm")
	made, interrupted := map[int64]int{}, 0
	for _, r := range s.rotations(t, "crm") {
		switch r.State {
		case "COMMITTED":
			made[r.Generation]++
		default:
			interrupted++
		}
		require.NotEqual(t, "LOST", r.State, "client credentials can be asked again")
	}
	for number := int64(1); number <= tok.Generation; number++ {
		require.Equal(t, 1, made[number], "times that generation %d was made", number)
	}
	issued := s.auth.Stats().Total()
	require.GreaterOrEqual(t, issued, len(made))
	require.LessOrEqual(t, issued, len(made)+interrupted, "a token was obtained of which the journal does not know")
	require.LessOrEqual(t, issued-len(made), kills, "more tokens were thrown away than processes killed")
	return len(made)
}

// entryID is the id of an event, which is in its detail.
func entryID(body []byte) string {
	var detail struct{ ID string }
	_ = json.Unmarshal(body, &detail) // an event without an id is never put
	return detail.ID
}

// ended reports whether a call was answered with success.
func ended(a answer) (putResult, bool) {
	var result putResult
	ok := a.Status == http.StatusOK && json.Unmarshal(a.Body, &result) == nil && result.FailedEntryCount == 0 && len(result.Entries) == 1
	return result, ok
}
