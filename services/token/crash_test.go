package token_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/store"
)

// crashPoint is where a process is killed in mid-rotation, and what the journal says then.
type crashPoint struct {
	name string
	step crashStep
	done bool
	// stumbles: the process cannot read the answer, which the next one can.
	stumbles bool
	// redeemed: the server has redeemed the refresh token. unknown: the journal cannot tell whether it has.
	redeemed, unknown bool
	// limited: the provider limits requests, so that the intent to redeem is not recorded by the claim but after it.
	limited bool
}

var crashPoints = []crashPoint{
	{name: "before the claim", step: stepClaim, limited: true},
	{name: "after the claim", step: stepClaim, done: true, limited: true},
	{name: "before the intent", step: stepIntent, limited: true},
	{name: "after the intent", step: stepIntent, done: true, unknown: true, limited: true},
	{name: "before the claim with the intent", step: stepIntent},
	{name: "after the claim with the intent", step: stepIntent, done: true, unknown: true},
	{name: "while the request is answered", redeemed: true, unknown: true},
	{name: "before an answer that was not read is stored", step: stepAnswer, stumbles: true, redeemed: true, unknown: true},
	{name: "after an answer that was not read was stored", step: stepAnswer, stumbles: true, done: true, redeemed: true},
	{name: "before the answer and its generation are committed", step: stepCommit, redeemed: true, unknown: true},
	{name: "after the commit", step: stepCommit, done: true, redeemed: true},
}

// TestCrashMatrix kills real processes at every step of the journal. After a restart there is exactly one of: the next generation, the next
// generation by a second redemption that the provider allows, or a rotation that is said to be lost.
func TestCrashMatrix(t *testing.T) {
	for _, engine := range []sqldb.Engine{sqldb.SQLite, sqldb.Postgres} {
		for _, server := range []rotating{reusable, singleUse, withGrace} {
			for _, point := range crashPoints {
				if point.limited && server.name != singleUse.name { // what is recorded is the same
					continue
				}
				t.Run(fmt.Sprint(engine, "/", server.name, "/", point.name), func(t *testing.T) {
					point.hit(t, engine, server)
				})
			}
		}
	}
}

func (c *crashPoint) hit(t *testing.T, engine sqldb.Engine, server rotating) {
	if c.limited {
		server = limited(server)
	}
	s := newSuite(t, nil, time.Hour)
	http := httptest.NewServer(s.auth.Handler())
	defer http.Close()
	transport := http.Client().Transport
	s.transport = transport
	plan := crashPlan{Engine: engine, Endpoint: http.URL + authserver.PathToken, Provider: server.provider, Step: c.step, Done: c.done, Stumbles: c.stumbles}
	plan.DSN = sqltest.SQLitePath(t)
	if engine == sqldb.Postgres {
		plan.DSN = sqltest.PostgresDSN(t)
	}
	var err error
	plan.MasterKey, err = seal.GenerateMasterKey()
	require.NoError(t, err)
	s.sealer, err = seal.ParseMasterKey(plan.MasterKey)
	require.NoError(t, err)
	plan.Seed = s.refreshing(1, server).OAuth2.RefreshToken.Reveal()

	first := s.beforeCrash(&plan)
	s.crash(&plan)
	after, rotations := s.afterCrash(&plan)

	requests := 2
	switch {
	case c.unknown && server.provider.Recovery == token.SingleUse:
		require.Equal(t, token.RotationLost, rotations[0].State)
		require.Equal(t, token.ReasonRotationLost, after.LastFailure.Reason)
		require.Equal(t, first.Fingerprint, after.Fingerprint, "served as long as it is valid")
		require.Len(t, rotations, 2)
		if !c.redeemed {
			requests = 1
		}
	case c.unknown:
		require.EqualValues(t, 2, after.Generation)
		require.Equal(t, token.RotationCommitted, rotations[0].State)
		require.Equal(t, token.TriggerRecovery, rotations[0].Trigger)
		require.Equal(t, token.RotationAbandoned, rotations[1].State)
		if c.redeemed {
			requests = 3
		}
	default:
		require.EqualValues(t, 2, after.Generation)
		require.Nil(t, after.LastFailure)
		require.Equal(t, token.RotationCommitted, rotations[0].State)
	}
	stats := s.auth.Stats()
	require.Equal(t, requests, stats.Requests)
	require.Zero(t, stats.FamiliesRevoked)
	if server.provider.Recovery == token.SingleUse {
		require.Zero(t, stats.DoubleRedemptions)
	}
}

// beforeCrash obtains the first generation, and has the next one due.
func (s *suite) beforeCrash(plan *crashPlan) token.Token {
	t := s.t
	s.reopen(plan)
	require.NoError(t, s.db.Migrate(t.Context(), store.Migrations()))
	s.connections.set(crm.ConnectionName(), plan.settings(1))
	svc, stop := s.start(s.params())
	_, err := svc.Authorize(t.Context(), crm, uid, 1)
	require.NoError(t, err)
	first, err := svc.Get(expiring(t, 20*time.Second), crm, 0)
	require.NoError(t, err)
	stop()
	s.connections.set(crm.ConnectionName(), plan.settings(2))
	svc, err = token.NewService(s.params())
	require.NoError(t, err)
	_, err = svc.Authorize(t.Context(), crm, uid, 2)
	require.NoError(t, err)
	require.NoError(t, s.db.Close())
	return first
}

func (s *suite) reopen(plan *crashPlan) {
	var err error
	s.db, err = plan.open(s.t.Context())
	require.NoError(s.t, err)
}

// crash runs a process until it is killed.
func (s *suite) crash(plan *crashPlan) {
	t := s.t
	text, err := json.Marshal(plan)
	require.NoError(t, err)
	if plan.Step == "" {
		s.auth.Inject(authserver.Fault{Kind: authserver.FaultDelayAfterCommit, Delay: time.Minute, Count: 1})
	}
	process := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	process.Env = append(os.Environ(), crashEnv+"="+string(text))
	process.Stderr = t.Output()
	require.NoError(t, process.Start())
	if plan.Step == "" {
		require.Eventually(t, func() bool { return s.auth.Stats().Total() == 2 }, time.Minute, time.Millisecond, "no request")
		require.NoError(t, process.Process.Kill())
	}
	err = process.Wait()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	status, ok := exit.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	require.True(t, status.Signaled() && status.Signal() == syscall.SIGKILL, "ended with %v", err)
}

// afterCrash runs the next process until the token is settled.
func (s *suite) afterCrash(plan *crashPlan) (token.Token, []token.Rotation) {
	t := s.t
	s.reopen(plan)
	defer func() { require.NoError(t, s.db.Close()) }()
	p := s.params()
	p.LeaseTime = crashLease
	svc, stop := s.start(p)
	defer stop()
	watcher := svc.Watch(t.Context())
	defer watcher.Close(t.Context())
	require.NoError(t, watcher.Add(t.Context(), crm))
	for {
		select {
		case <-watcher.Wake():
		case <-time.After(time.Minute):
			require.FailNow(t, "not settled", "%+v", s.read())
		}
		for _, update := range watcher.Take() {
			if got := update.Token; got.Generation == 2 || got.LastFailure != nil {
				require.True(t, got.ValidAt(time.Now()), "a valid token is served all along")
				rotations, err := svc.Rotations(t.Context(), crm, "", 10)
				require.NoError(t, err)
				return got, rotations
			}
		}
	}
}
