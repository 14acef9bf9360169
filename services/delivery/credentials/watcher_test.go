package credentials_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/credentials"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run runs a test in a bubble with a watcher that ends with it.
func run(t *testing.T, fn func(t *testing.T, tokens *deliverytest.Tokens, w *credentials.Watcher)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		tokens := deliverytest.NewTokens()
		w := credentials.New(deliverytest.Dial(t, tokens), credentials.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		fn(t, tokens, w)
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	})
}

func current(w *credentials.Watcher, connection string) *delivery.Credential {
	c, _ := w.Current(connection)
	return c
}

func TestCurrent(t *testing.T) {
	run(t, func(t *testing.T, tokens *deliverytest.Tokens, w *credentials.Watcher) {
		expires := time.Now().Add(time.Hour)
		tokens.Put(deliverytest.CRM, &tokenv1.Token{
			State: tokenv1.Token_AUTHORIZED, Fingerprint: "f", Traceparent: "tp", ExpireTime: timestamppb.New(expires),
			Credential: &tokenv1.HttpCredential{
				Headers: []*tokenv1.HttpCredentialField{{Key: "h", Value: "1"}},
				Query:   []*tokenv1.HttpCredentialField{{Key: "q", Value: "2"}},
				Body:    []*tokenv1.HttpCredentialField{{Key: "b", Value: "3"}},
			},
		})
		c, changed := w.Current(deliverytest.CRM)
		require.Equal(t, delivery.CredentialUnknown, c.State)
		require.False(t, c.Usable(time.Now()))
		<-changed
		c, changed = w.Current(deliverytest.CRM)
		require.True(t, c.Usable(time.Now()))
		require.False(t, c.Usable(expires))
		require.EqualValues(t, 1, c.Generation)
		require.Equal(t, "f", c.Fingerprint)
		require.Equal(t, "tp", c.Traceparent)
		for want, fields := range map[string][]delivery.Field{"h1": c.Headers, "q2": c.Query, "b3": c.Body} {
			require.Len(t, fields, 1)
			require.Equal(t, want, fields[0].Key+fields[0].Value.Reveal())
			require.NotContains(t, fmt.Sprintf("%+v", fields), want[1:])
		}
		synctest.Wait()
		require.EqualValues(t, 1, tokens.Acknowledged(deliverytest.CRM))

		tokens.Deauthorize(deliverytest.CRM)
		<-changed
		c = current(w, deliverytest.CRM)
		require.False(t, c.Usable(time.Now()))
		require.Contains(t, c.Reason, "DEAUTHORIZED")
	})
}

// TestMissingConnection: what is not there is asked for again, so that a connection made later works.
func TestMissingConnection(t *testing.T) {
	run(t, func(t *testing.T, tokens *deliverytest.Tokens, w *credentials.Watcher) {
		current(w, deliverytest.CRM)
		time.Sleep(time.Minute)
		require.Equal(t, delivery.CredentialInvalid, current(w, deliverytest.CRM).State)
		require.Contains(t, current(w, deliverytest.CRM).Reason, "TOKEN_NOT_FOUND")
		tokens.Bearer(deliverytest.CRM, "token")
		time.Sleep(15 * time.Second)
		require.True(t, current(w, deliverytest.CRM).Usable(time.Now()))
		tokens.Delete(deliverytest.CRM)
		synctest.Wait()
		require.False(t, current(w, deliverytest.CRM).Usable(time.Now()))
	})
}

// TestManyConnections: each has its own credential, and news of one are no news of another.
func TestManyConnections(t *testing.T) {
	run(t, func(t *testing.T, tokens *deliverytest.Tokens, w *credentials.Watcher) {
		name := func(i int) string { return fmt.Sprintf("projects/p/connections/c%d", i) }
		for i := range 1500 {
			tokens.Bearer(name(i), fmt.Sprintf("token-%d", i))
			current(w, name(i))
		}
		synctest.Wait()
		for i := range 1500 {
			require.Equal(t, fmt.Sprintf("Bearer token-%d", i), current(w, name(i)).Headers[0].Value.Reveal())
		}
		_, changed := w.Current(name(1))
		tokens.Bearer(name(2), "other")
		synctest.Wait()
		select {
		case <-changed:
			require.FailNow(t, "not its news")
		default:
		}
	})
}

// TestUnusedIsForgotten: a connection that nobody asks for any more is not watched, and whoever still waits asks again.
func TestUnusedIsForgotten(t *testing.T) {
	run(t, func(t *testing.T, tokens *deliverytest.Tokens, w *credentials.Watcher) {
		tokens.Bearer(deliverytest.CRM, "one")
		current(w, deliverytest.CRM)
		synctest.Wait()
		_, changed := w.Current(deliverytest.CRM)
		time.Sleep(25 * time.Minute)
		<-changed
		require.Equal(t, delivery.CredentialUnknown, current(w, deliverytest.CRM).State)
		synctest.Wait()
		require.True(t, current(w, deliverytest.CRM).Usable(time.Now()))
	})
}

// TestStreamThatEnds: while the token service is away, the last credential stays; afterwards the news come.
func TestStreamThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := deliverytest.NewTokens()
		tokens.Bearer(deliverytest.CRM, "one")
		conn := &cuttable{ClientConn: deliverytest.Dial(t, tokens)}
		w := credentials.New(conn, credentials.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		current(w, deliverytest.CRM)
		synctest.Wait()
		require.True(t, current(w, deliverytest.CRM).Usable(time.Now()))
		conn.cut()
		tokens.Bearer(deliverytest.CRM, "two")
		synctest.Wait()
		require.EqualValues(t, 1, current(w, deliverytest.CRM).Generation)
		time.Sleep(10 * time.Second)
		conn.mend()
		time.Sleep(10 * time.Second)
		require.EqualValues(t, 2, current(w, deliverytest.CRM).Generation)
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	})
}

func TestReject(t *testing.T) {
	run(t, func(t *testing.T, tokens *deliverytest.Tokens, w *credentials.Watcher) {
		require.NoError(t, w.Reject(t.Context(), deliverytest.CRM, "f"))
		require.NoError(t, w.Reject(t.Context(), deliverytest.CRM, ""))
		require.Equal(t, []string{"f"}, tokens.Rejected())
	})
}

// TestTooManyNames: beyond the bound, what was not asked for lately makes room, and whoever still waits for it asks again.
func TestTooManyNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := deliverytest.NewTokens()
		w := credentials.New(deliverytest.Dial(t, tokens), credentials.Options{MaxWatched: 10})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		name := func(i int) string { return fmt.Sprintf("projects/p/connections/crm/grants/g%d", i) }
		_, gone := w.Current(name(0))
		for i := range 30 {
			tokens.Bearer(name(i), fmt.Sprintf("token-%d", i))
			time.Sleep(time.Second)
			current(w, name(i+1))
			synctest.Wait()
		}
		<-gone
		require.Equal(t, delivery.CredentialUnknown, current(w, name(0)).State)
		synctest.Wait()
		require.Equal(t, "Bearer token-0", current(w, name(0)).Headers[0].Value.Reveal())
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	})
}
