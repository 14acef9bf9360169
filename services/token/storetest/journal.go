package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/token"
)

func deletes(t *testing.T, stores Stores) {
	s := stores.Same()
	want := full(key)
	_, err := s.Update(t.Context(), key, nil, func(r *token.Record) error {
		r.Token = want
		r.Journal = []token.Rotation{{Key: key, ID: "01", State: token.RotationIntent}}
		return nil
	})
	require.NoError(t, err)
	deleted, _, err := s.Delete(t.Context(), key, "uid-of-another", nil)
	require.NoError(t, err)
	require.False(t, deleted)
	deleted, version, err := s.Delete(t.Context(), key, "uid-1", nil)
	require.NoError(t, err)
	require.True(t, deleted)
	require.Equal(t, want.Version+1, version)
	_, err = s.Get(t.Context(), key)
	require.ErrorIs(t, err, token.ErrNotFound)
	put(t, s, full(key))
	require.Empty(t, must(s.Rotations(t.Context(), key, "", 10))(t), "the journal went with it")
}

func due(t *testing.T, stores Stores) {
	s := stores.Same()
	// Attempt, expiry and lease: the earliest that needs attention counts.
	write := func(name string, change func(*token.Token)) {
		k := token.Key{Project: "p", Connection: name}
		tok := token.Token{Key: k, Version: 1, State: token.StateAuthorized}
		change(&tok)
		put(t, s, tok)
	}
	write("never", func(*token.Token) {})
	write("attempt", func(t *token.Token) { t.AttemptAt, t.ExpireTime = at(time.Minute), at(time.Hour) })
	write("expiry", func(t *token.Token) { t.AttemptAt, t.ExpireTime = at(time.Hour), at(2*time.Minute) })
	write("expired", func(t *token.Token) {
		t.AttemptAt, t.ExpireTime, t.State = at(3*time.Minute), at(-time.Minute), token.StateFailedConnectivity
	})
	write("leased", func(t *token.Token) {
		t.AttemptAt, t.Lease = at(0), token.Lease{Owner: "me", Until: at(4 * time.Minute), Fence: 1}
	})
	write("later", func(t *token.Token) { t.AttemptAt = at(10 * time.Minute) })
	write("same1", func(t *token.Token) { t.AttemptAt = at(5 * time.Minute) })
	write("same2", func(t *token.Token) { t.AttemptAt = at(5 * time.Minute) })

	var names []string
	var cursor token.DueCursor
	for {
		page := must(s.Due(t.Context(), cursor, at(5*time.Minute), 2))(t)
		for _, tok := range page {
			names = append(names, tok.Key.Connection)
			cursor = token.DueCursor{At: tok.DueAt(), Key: tok.Key}
		}
		if len(page) < 2 {
			break
		}
	}
	require.Equal(t, []string{"attempt", "expiry", "expired", "leased", "same1", "same2"}, names)
}

func list(t *testing.T, stores Stores) {
	s := stores.Same()
	var all, want []token.Key
	for _, project := range []string{"a", "a-b", "b"} {
		for _, connection := range []string{"Z", "a", "a.b"} {
			for _, grant := range []string{"", "G", "g"} {
				all = append(all, token.Key{Project: project, Connection: connection, Grant: grant})
			}
			want = append(want, token.Key{Project: project, Connection: connection})
		}
	}
	shuffled := slices.Clone(all)
	slices.Reverse(shuffled)
	for _, k := range shuffled {
		put(t, s, token.Token{Key: k, Version: 1})
	}
	var got []token.Key
	var after token.Key
	for {
		page := must(s.List(t.Context(), after, 4))(t)
		for _, tok := range page {
			got = append(got, tok.Key)
			after = tok.Key
		}
		if len(page) < 4 {
			break
		}
	}
	require.Equal(t, want, got, "those of connections, in bytewise order")
}

// entry is a rotation with every field set.
func entry(id string) token.Rotation {
	return token.Rotation{
		Key: key, ID: id, Generation: 4, Revision: 7, Kind: token.KindClientCredentials, State: token.RotationFailed,
		Trigger: token.TriggerSchedule, Fence: 9, StartTime: at(0), SentTime: at(time.Second), RespondedTime: at(2 * time.Second),
		EndTime: at(3 * time.Second), RequestSent: true, Repeatable: true, RefreshTokenFingerprint: "abcd", HasLead: true,
		Lead: -1500 * time.Millisecond, FailureClass: token.ClassThrottled, FailureMessage: "slow down", HTTPStatus: 429, TraceID: "t1",
		KeyThumbprint: "thumb", Challenges: 2,
	}
}

func journal(t *testing.T, stores Stores) {
	s := stores.Same()
	write := func(entries ...token.Rotation) {
		_, err := s.Update(t.Context(), key, nil, func(r *token.Record) error {
			r.Token.Lease.Rotation = "02"
			r.Journal = entries
			return nil
		})
		require.NoError(t, err)
	}
	bare := token.Rotation{Key: key, ID: "02", State: token.RotationIntent, Trigger: token.TriggerCaller}
	write(entry("01"), bare)
	write(entry("03"))
	require.Equal(t, []token.Rotation{entry("03"), bare, entry("01")}, must(s.Rotations(t.Context(), key, "", 10))(t))
	require.Equal(t, []token.Rotation{entry("03"), bare}, must(s.Rotations(t.Context(), key, "", 2))(t))
	require.Equal(t, []token.Rotation{entry("01")}, must(s.Rotations(t.Context(), key, "02", 2))(t))

	_, err := s.Update(t.Context(), key, nil, func(r *token.Record) error {
		require.Equal(t, &bare, r.Open, "the entry of the lease")
		return token.ErrUnchanged
	})
	require.NoError(t, err)

	write(entry("02"))
	require.Equal(t, []token.Rotation{entry("03"), entry("02"), entry("01")}, must(s.Rotations(t.Context(), key, "", 10))(t), "replaced")

	_, err = s.Update(t.Context(), key, nil, func(r *token.Record) error {
		r.ForgetJournal, r.Journal = true, []token.Rotation{entry("04")}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []token.Rotation{entry("04")}, must(s.Rotations(t.Context(), key, "", 10))(t))
}

func journalIsBounded(t *testing.T, stores Stores) {
	s := stores.Same()
	const count = 600
	for i := range count {
		_, err := s.Update(t.Context(), key, nil, func(r *token.Record) error {
			r.Token.Lease.Fence = int64(i)
			r.Journal = []token.Rotation{{Key: key, ID: fmt.Sprintf("%04d", i), State: token.RotationIntent, StartTime: at(time.Duration(i) * time.Second)}}
			return nil
		})
		require.NoError(t, err)
	}
	kept := must(s.Rotations(t.Context(), key, "", 2*count))(t)
	require.GreaterOrEqual(t, len(kept), 500)
	require.Less(t, len(kept), 520)
	require.Equal(t, fmt.Sprintf("%04d", count-1), kept[0].ID, "the newest are kept")

	_, err := s.Update(t.Context(), key, nil, func(r *token.Record) error {
		r.Token.Lease.Fence = 16 * 100
		r.Journal = []token.Rotation{{Key: key, ID: "9999", State: token.RotationIntent, StartTime: at(31 * 24 * time.Hour)}}
		return nil
	})
	require.NoError(t, err)
	require.Len(t, must(s.Rotations(t.Context(), key, "", 2*count))(t), 1, "what is older than a month goes")
}

func leases(t *testing.T, stores Stores) {
	s := stores.Same()
	held := token.Token{Key: key, Version: 1, AttemptAt: at(0), Lease: token.Lease{Owner: "dead", Until: at(time.Hour), Fence: 3, Rotation: "01"}}
	put(t, s, held)
	free := token.Token{Key: token.Key{Project: "p", Connection: "free"}, Version: 1, AttemptAt: at(time.Minute)}
	put(t, s, free)
	require.NoError(t, s.BreakLeases(t.Context(), at(time.Second)))
	got, err := s.Get(t.Context(), key)
	require.NoError(t, err)
	held.Version, held.Lease.Until = 2, at(time.Second)
	require.Equal(t, held, got, "it ends; who held it and what was done under it stays known")
	page := must(s.Due(t.Context(), token.DueCursor{}, at(time.Second), 10))(t)
	require.Len(t, page, 1)
	require.Equal(t, key, page[0].Key)
	got, err = s.Get(t.Context(), free.Key)
	require.NoError(t, err)
	require.Equal(t, free, got)
}

// notices watches one replica from the other. Stores of one process have no other replica and stay silent.
func notices(t *testing.T, stores Stores) {
	writer, reader := stores.Same(), stores.Same()
	if writer.Exclusive() {
		return
	}
	received := make(chan token.Notice, 16)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- reader.Listen(ctx, func(n token.Notice) { received <- n }) }()
	require.Equal(t, token.Notice{Resync: true}, <-received, "first of all: what was missed is not known")

	tok := token.Token{
		Key: key, ConnectionUID: "uid-1", Version: 1, State: token.StateAuthorized, AttemptAt: at(time.Minute), ExpireTime: at(time.Hour),
	}
	put(t, writer, tok)
	require.Equal(t, token.Notice{Key: key, Version: 1, AttemptDue: at(time.Minute), ExpiryDue: at(time.Hour)}, <-received)
	_, err := writer.Update(t.Context(), key, nil, func(r *token.Record) error {
		r.Quiet = true
		return nil
	})
	require.NoError(t, err)
	deleted, _, err := writer.Delete(t.Context(), key, "uid-1", nil)
	require.NoError(t, err)
	require.True(t, deleted)
	require.Equal(t, token.Notice{Key: key, Version: 3, Deleted: true}, <-received, "the quiet one was not announced")
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
}
