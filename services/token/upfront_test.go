package token_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/token"
)

// muteStore is a real store whose answers to a number of updates are lost, after which it is out of reach for a number of them.
type muteStore struct {
	token.Store

	after, mute, down atomic.Int64
}

func (m *muteStore) Update(ctx context.Context, key token.Key, known *token.Token, change func(*token.Record) error) (token.Token, error) {
	if m.after.Load() <= 0 && m.mute.Load() <= 0 && m.down.Add(-1) >= 0 {
		return token.Token{}, outage{}
	}
	t, err := m.Store.Update(ctx, key, known, change)
	if m.after.Add(-1) < 0 && m.mute.Add(-1) >= 0 {
		return token.Token{}, outage{}
	}
	return t, err
}

// TestClaimOfUnknownOutcome: nothing is sent before it is known that the intent is stored, and nothing is taken for lost because it was.
func TestClaimOfUnknownOutcome(t *testing.T) {
	for name, down := range map[string]int64{"for a moment": 0, "for a while": 3, "for longer than it is tried": 40} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSuite(t, openSQLite(t), time.Hour)
				s.refreshing(1, singleUse)
				p := s.params()
				mute := &muteStore{Store: p.Store}
				mute.after.Store(1) // Authorize
				mute.mute.Store(1)
				mute.down.Store(down)
				p.Store = mute
				svc, _ := s.start(p)
				_, err := svc.Authorize(t.Context(), crm, uid, 1)
				require.NoError(t, err)
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				require.LessOrEqual(t, mute.down.Load(), int64(0))
				got := s.read()
				require.EqualValues(t, 1, got.Generation)
				require.Nil(t, got.LastFailure)
				require.Equal(t, 1, s.auth.Stats().Requests)
				_, err = svc.Refresh(t.Context(), crm)
				require.NoError(t, err)
				s.unharmed()
			})
		})
	}
}

// TestRefreshIsTwoWrites: the claim with the intent to redeem, and the commit.
func TestRefreshIsTwoWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		s.refreshing(1, singleUse)
		svc, _ := s.start(s.params())
		first := s.authorize(svc, 1)
		before := s.db.Stats().Writes
		time.Sleep(time.Until(first.AttemptAt) + time.Second)
		synctest.Wait()
		require.EqualValues(t, 2, s.read().Generation)
		require.EqualValues(t, 2, s.db.Stats().Writes-before)
	})
}

// claimThen does something each time a claim was stored that records no redemption.
type claimThen struct {
	token.Store

	then func()
}

func (c claimThen) Update(ctx context.Context, key token.Key, known *token.Token, change func(*token.Record) error) (token.Token, error) {
	claimed := false
	t, err := c.Store.Update(ctx, key, known, func(rec *token.Record) error {
		err := change(rec)
		claimed = err == nil && stepOf(rec) == stepClaim
		return err
	})
	if err == nil && claimed {
		c.then()
	}
	return t, err
}
