package bench

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/bench/sink"
)

// TestDeathOfAProcessEndsTheRun checks that a run does not wait for a process that is gone, and says what happened.
func TestDeathOfAProcessEndsTheRun(t *testing.T) {
	executable, err := os.Executable()
	require.NoError(t, err)
	r, err := newRun(t.Context(), &Host{Executable: executable, Dir: t.TempDir()})
	require.NoError(t, err)
	p, client, err := r.startSink(sink.Config{IDs: 1, BodyBytes: sink.MinBody, ClientID: "c", ClientSecret: "s"})
	require.NoError(t, err)
	require.NoError(t, p.Stop())
	_, err = client.Await(r.ctx, 0, 1, patience) // which would take a minute
	require.Error(t, err)
	<-r.ctx.Done()
	require.ErrorContains(t, r.explain(err), "sink ended")
	require.NoError(t, r.close())
	require.ErrorContains(t, r.explain(errors.New("cut off")), "sink ended")
	client.Close()
}

func TestInterruptionIsNotExplainedAway(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, err := newRun(ctx, &Host{Dir: t.TempDir()})
	require.NoError(t, err)
	cancel()
	require.ErrorIs(t, r.explain(ctx.Err()), context.Canceled)
	require.NoError(t, r.explain(nil))
	require.NoError(t, r.close())
}
