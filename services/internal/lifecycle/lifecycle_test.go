package lifecycle_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/internal/lifecycle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const grace = 10 * time.Second

var errBroken = errors.New("broken")

// journal notes what happens in which order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) note(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

// task runs until told to stop and needs d to do so.
func (j *journal) task(name string, d time.Duration) lifecycle.Task {
	return lifecycle.Task{Name: name, Run: func(ctx context.Context) error {
		<-ctx.Done()
		j.note("stop " + name)
		<-time.After(d) // the work of stopping
		j.note("stopped " + name)
		return ctx.Err()
	}}
}

func failing(name string, after time.Duration, err error) lifecycle.Task {
	return lifecycle.Task{Name: name, Run: func(ctx context.Context) error {
		select {
		case <-time.After(after):
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
}

func TestStopsInReverseOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		require.NoError(t, lifecycle.Run(ctx, grace, j.task("store", time.Second), j.task("rpc", 2*time.Second), j.task("http", 3*time.Second)))
		require.Equal(t, []string{"stop http", "stopped http", "stop rpc", "stopped rpc", "stop store", "stopped store"}, j.all())
		require.Equal(t, time.Minute+6*time.Second, time.Since(begin))
	})
}

func TestTheFirstErrorStopsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		var cause error
		watching := lifecycle.Task{Name: "watching", Run: func(ctx context.Context) error {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return cause
		}}
		late := lifecycle.Task{Name: "late", Run: func(ctx context.Context) error {
			<-ctx.Done()
			return errors.New("cannot flush")
		}}
		err := lifecycle.Run(t.Context(), grace, watching, failing("worker", time.Second, errBroken), late, j.task("rpc", 0))
		require.ErrorIs(t, err, errBroken)
		require.EqualError(t, err, "worker: broken\nlate: cannot flush")
		require.ErrorIs(t, cause, errBroken)
		require.Equal(t, []string{"stop rpc", "stopped rpc"}, j.all())
	})
}

func TestADoneTaskStopsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		require.NoError(t, lifecycle.Run(t.Context(), grace, failing("short", time.Second, nil), failing("long", time.Minute, nil)))
		require.Equal(t, time.Minute, time.Since(begin))
		require.NoError(t, lifecycle.Run(t.Context(), grace))
	})
}

func TestACanceledTaskThatNobodyStoppedFailed(t *testing.T) {
	err := lifecycle.Run(t.Context(), grace, lifecycle.Task{Name: "odd", Run: func(context.Context) error { return context.Canceled }})
	require.ErrorIs(t, err, context.Canceled)
}

func TestPanicsAndExitsAreErrors(t *testing.T) {
	var j journal
	err := lifecycle.Run(t.Context(), grace, j.task("rpc", 0), lifecycle.Task{Name: "bad", Run: func(context.Context) error { panic("kaboom") }})
	require.ErrorContains(t, err, "bad: panic: kaboom")
	require.ErrorContains(t, err, "lifecycle_test.go", "the stack")
	require.Equal(t, []string{"stop rpc", "stopped rpc"}, j.all())

	err = lifecycle.Run(t.Context(), grace, lifecycle.Task{Name: "bad", Run: func(context.Context) error { runtime.Goexit(); return nil }})
	require.EqualError(t, err, "bad: ended without returning")
}

func TestGraceBoundsStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		begin := time.Now()
		// "slow" takes all the grace; "store" still gets told, and stops in time.
		err := lifecycle.Run(ctx, grace, j.task("store", time.Second/2), j.task("slow", time.Minute), j.task("http", time.Second))
		require.EqualError(t, err, "slow: still running after the grace period")
		require.Equal(t, grace+time.Second, time.Since(begin))
		require.Equal(t, []string{"stop http", "stopped http", "stop slow", "stop store", "stopped store"}, j.all())
		<-time.After(time.Minute) // "slow" ends by itself; nobody waits for it any more
	})
}

func TestTasksSeeTheValuesOfTheContext(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "value")
	require.NoError(t, lifecycle.Run(ctx, grace, lifecycle.Task{Name: "values", Run: func(ctx context.Context) error {
		if ctx.Value(key{}) != "value" {
			return errBroken
		}
		return nil
	}}))
}
