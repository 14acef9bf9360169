package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
)

// revocation is one with every field set.
func revocation(id string, due time.Duration) token.Revocation {
	return token.Revocation{
		Key: key, ID: id, ConnectionUID: "uid-1", Server: "server", Hint: "access_token", Generation: 3, Token: seal.NewSecret("old token " + id),
		DueTime: at(due), ExpireTime: at(time.Hour), Attempts: 2,
	}
}

func revokeWith(t *testing.T, s Store, r token.Revocation) {
	t.Helper()
	_, err := s.Update(t.Context(), r.Key, nil, func(rec *token.Record) error {
		rec.Token.ConnectionUID, rec.Revoke = r.ConnectionUID, &r
		return nil
	})
	require.NoError(t, err)
}

func claimedIDs(t *testing.T, s Store, now, until time.Duration) (ids []string) {
	t.Helper()
	for _, r := range must(s.ClaimRevocations(t.Context(), at(now), at(until), 2))(t) {
		ids = append(ids, r.ID)
	}
	return ids
}

func revocations(t *testing.T, stores Stores) {
	s := stores.Same()
	require.Zero(t, must(s.NextRevocation(t.Context()))(t))
	require.Empty(t, claimedIDs(t, s, time.Hour, 2*time.Hour))
	for id, due := range map[string]time.Duration{"a": 3 * time.Minute, "b": time.Minute, "c": 2 * time.Minute} {
		revokeWith(t, s, revocation(id, due))
	}
	require.Equal(t, at(time.Minute), must(s.NextRevocation(t.Context()))(t))
	require.Empty(t, claimedIDs(t, s, 59*time.Second, time.Hour))

	got := must(s.ClaimRevocations(t.Context(), at(2*time.Minute), at(10*time.Minute), 1))(t)
	want := revocation("b", 10*time.Minute)
	require.Equal(t, want.Token.Reveal(), got[0].Token.Reveal())
	got[0].Token, want.Token = seal.Secret{}, seal.Secret{}
	require.Equal(t, []token.Revocation{want}, got)

	require.Equal(t, []string{"c", "a"}, claimedIDs(t, s, 5*time.Minute, 11*time.Minute))
	require.Empty(t, claimedIDs(t, s, 5*time.Minute, 11*time.Minute), "claimed")
	require.Equal(t, []string{"b", "a"}, claimedIDs(t, s, 11*time.Minute, 20*time.Minute), "whoever claimed them is gone")

	b := revocation("b", 0)
	b.Attempts = 7
	require.NoError(t, s.PostponeRevocation(t.Context(), &b, at(12*time.Minute)))
	require.NoError(t, s.RemoveRevocation(t.Context(), new(revocation("a", 0))))
	require.NoError(t, s.RemoveRevocation(t.Context(), new(revocation("a", 0))))
	require.NoError(t, s.PostponeRevocation(t.Context(), new(revocation("a", 0)), at(0)), "it is gone, and stays so")
	got = must(s.ClaimRevocations(t.Context(), at(12*time.Minute), at(30*time.Minute), 9))(t)
	require.Len(t, got, 2)
	require.Equal(t, "c", got[0].ID)
	require.Equal(t, 2, got[0].Attempts)
	require.Equal(t, "b", got[1].ID)
	require.Equal(t, 7, got[1].Attempts)

	deleted, _, err := s.Delete(t.Context(), key, "uid-1", nil)
	require.NoError(t, err)
	require.True(t, deleted)
	require.Zero(t, must(s.NextRevocation(t.Context()))(t), "they went with their token")
}

func revocationsAreClaimedOnce(t *testing.T, stores Stores) {
	const count, claimers = 40, 4
	s := stores.Same()
	for i := range count {
		revokeWith(t, s, revocation(string(rune('A'+i)), 0))
	}
	claimed := make(chan []token.Revocation, count)
	done := make(chan error, claimers)
	for range claimers {
		replica := stores.Same()
		go func() {
			for {
				got, err := replica.ClaimRevocations(t.Context(), at(time.Minute), at(time.Hour), 3)
				if err != nil {
					done <- err
					return
				}
				claimed <- got
				if due, err := replica.NextRevocation(t.Context()); err != nil || due.After(at(time.Minute)) {
					done <- err
					return
				}
			}
		}()
	}
	seen := map[string]int{}
	for running := claimers; running > 0; {
		select {
		case got := <-claimed:
			for _, r := range got {
				seen[r.ID]++
			}
		case err := <-done:
			require.NoError(t, err)
			running--
		}
	}
	for len(claimed) > 0 {
		for _, r := range <-claimed {
			seen[r.ID]++
		}
	}
	require.Len(t, seen, count)
	for id, times := range seen {
		require.Equal(t, 1, times, id)
	}
}

// revocationsOfAnotherKey can never be made.
func revocationsOfAnotherKey(t *testing.T, stores Stores) {
	revokeWith(t, stores.OtherKey(), revocation("a", 0))
	s := stores.Same()
	revokeWith(t, s, revocation("b", 0))
	require.Equal(t, []string{"b"}, claimedIDs(t, s, time.Minute, time.Hour))
	require.Equal(t, at(time.Hour), must(s.NextRevocation(t.Context()))(t), "nothing of the other is left to look at")
	require.EqualValues(t, 0, stores.Query("SELECT COUNT(*) FROM revocations WHERE CAST(sealed_token AS TEXT) LIKE '%old token%'"))
}
