package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
)

// Store is all that the token service stores with.
type Store interface {
	token.Store
	token.Revocations
	token.Budgets
}

// Stores makes stores on one and the same empty database.
type Stores struct {
	// Same returns another store on the database with the same master key, as another replica has.
	Same func() Store
	// OtherKey returns a store on the database with another master key.
	OtherKey func() Store
	// Query runs a statement and returns its single text or number, for looking at what is stored.
	Query func(query string, args ...any) any
}

// Run runs the suite. newStores is called for each test.
func Run(t *testing.T, newStores func(t *testing.T) Stores) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(*testing.T, Stores)
	}{
		{"RoundTrip", roundTrip},
		{"Missing", missing},
		{"Unchanged", unchanged},
		{"UpdatesDoNotOverlap", updatesDoNotOverlap},
		{"UpdateOfAKnownToken", updateOfAKnownToken},
		{"CreatedOnce", createdOnce},
		{"Credential", credential},
		{"CredentialIsBound", credentialIsBound},
		{"CredentialLost", credentialLost},
		{"NextKey", nextKey},
		{"Delete", deletes},
		{"Due", due},
		{"List", list},
		{"Journal", journal},
		{"JournalIsBounded", journalIsBounded},
		{"Response", response},
		{"Leases", leases},
		{"Notices", notices},
		{"Revocations", revocations},
		{"RevocationsAreClaimedOnce", revocationsAreClaimedOnce},
		{"RevocationsOfAnotherKey", revocationsOfAnotherKey},
		{"Budgets", budgets},
		{"BudgetsAreShared", budgetsAreShared},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newStores(t)) })
	}
}

var key = token.Key{Project: "default", Connection: "crm"}

// start is a time with the precision that stores keep.
var start = time.Date(2026, 3, 1, 12, 0, 0, 123_456_000, time.UTC)

func at(d time.Duration) time.Time { return start.Add(d) }

// full is a token with every field set.
func full(key token.Key) token.Token {
	return token.Token{
		Key: key, ConnectionUID: "uid-1", Revision: 7, Version: 100, Generation: 3, GenerationRevision: 6,
		Kind: token.KindClientCredentials, TokenType: "Bearer", Scopes: []string{"a", "b"},
		IssueTime: at(0), ExpireTime: at(time.Hour), ExpirySource: token.ExpiryJWT, GrantExpireTime: at(1000 * time.Hour),
		Fingerprint: "0123", Traceparent: "00-1-2-01",
		State: token.StateAuthorized, Reason: token.ReasonExpired, Message: "message", StateTime: at(time.Second),
		RefreshAt: at(45 * time.Minute), MustRefreshAt: at(59 * time.Minute), NotBefore: at(3 * time.Minute),
		AttemptAt: at(46 * time.Minute), AttemptTrigger: token.TriggerRejected, Stopped: true, Failures: 2,
		LastFailure: &token.Failure{Class: token.ClassAmbiguous, Reason: token.ReasonAmbiguous, Message: "lost", Time: at(2 * time.Second)},
		LastSuccess: at(3 * time.Second), RejectedGeneration: 2, Rejections: 1,
		HoldUntil: at(4 * time.Second),
		Plan: token.Plan{
			Mode: token.WhileWatched, RefreshBefore: time.Minute, KeepAlive: time.Hour, NotBefore: 2 * time.Minute,
			GrantWarning: 24 * time.Hour, GrantWarned: true, OldToken: token.Killed, Leeway: time.Second,
		},
		Simulation: token.Simulation{Class: token.ClassThrottled, Until: at(time.Minute), Failed: true},
		Lease:      token.Lease{Owner: "me", Until: at(15 * time.Second), Fence: 9, Rotation: "01"},
	}
}

// put writes a token as it is.
func put(t *testing.T, s token.Store, want token.Token) token.Token {
	t.Helper()
	stored, err := s.Update(t.Context(), want.Key, nil, func(r *token.Record) error {
		r.Token = want
		return nil
	})
	require.NoError(t, err)
	return stored
}

func roundTrip(t *testing.T, stores Stores) {
	s := stores.Same()
	want := full(key)
	require.Equal(t, want, put(t, s, want))
	got, err := s.Get(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, want, got)

	// Every field changes, and zero values come back as such.
	bare := token.Token{Key: key, State: token.StateAuthorizing}
	stored := put(t, s, bare)
	bare.Version = want.Version + 1
	require.Equal(t, bare, stored)
	got, err = s.Get(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, bare, got)

	grant := full(token.Key{Project: "default", Connection: "crm", Grant: "alice"})
	put(t, s, grant)
	got, err = s.Get(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, bare, got, "a grant is another token")
}

func missing(t *testing.T, stores Stores) {
	s := stores.Same()
	_, err := s.Get(t.Context(), key)
	require.ErrorIs(t, err, token.ErrNotFound)
	_, err = s.Rotations(t.Context(), key, "", 10)
	require.ErrorIs(t, err, token.ErrNotFound)
	_, err = s.Response(t.Context(), key, "01")
	require.ErrorIs(t, err, token.ErrNotFound)
	deleted, _, err := s.Delete(t.Context(), key, "uid-1", nil)
	require.NoError(t, err)
	require.False(t, deleted)
	_, err = s.Update(t.Context(), key, nil, func(r *token.Record) error {
		require.False(t, r.Exists)
		require.Equal(t, key, r.Token.Key)
		return token.ErrNotFound
	})
	require.ErrorIs(t, err, token.ErrNotFound)
	_, err = s.Get(t.Context(), key)
	require.ErrorIs(t, err, token.ErrNotFound)
}

func unchanged(t *testing.T, stores Stores) {
	s := stores.Same()
	want := put(t, s, full(key))
	for _, failure := range []error{token.ErrUnchanged, token.ErrStateConflict} {
		got, err := s.Update(t.Context(), key, nil, func(r *token.Record) error {
			require.True(t, r.Exists)
			r.Token.Generation = 99
			r.Credential = &token.Credential{AccessToken: seal.NewSecret("no")}
			return failure
		})
		if errors.Is(failure, token.ErrUnchanged) {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, failure)
		}
		require.Equal(t, want, got)
	}
	got, err := s.Get(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// updatesDoNotOverlap counts with many writers in two replicas; none may be lost.
func updatesDoNotOverlap(t *testing.T, stores Stores) {
	replicas := []token.Store{stores.Same(), stores.Same()}
	put(t, replicas[0], token.Token{Key: key, Version: 1})
	const writers, each = 8, 5
	errs := make(chan error, writers)
	for i := range writers {
		go func() {
			var err error
			for range each {
				_, err = replicas[i%2].Update(context.WithoutCancel(t.Context()), key, nil, func(r *token.Record) error {
					r.Token.Generation++
					return nil
				})
				if err != nil {
					break
				}
			}
			errs <- err
		}()
	}
	for range writers {
		require.NoError(t, <-errs)
	}
	got, err := replicas[0].Get(t.Context(), key)
	require.NoError(t, err)
	require.EqualValues(t, writers*each, got.Generation)
	require.EqualValues(t, 1+writers*each, got.Version)
}

// createdOnce creates a token in two replicas at once: one creates it, the other changes it.
func createdOnce(t *testing.T, stores Stores) {
	const writers = 8
	replicas := []token.Store{stores.Same(), stores.Same()}
	errs := make(chan error, writers)
	for i := range writers {
		go func() {
			_, err := replicas[i%2].Update(context.WithoutCancel(t.Context()), key, nil, func(r *token.Record) error {
				if !r.Exists {
					r.Token.Version = 1
				}
				r.Token.Generation++
				return nil
			})
			errs <- err
		}()
	}
	for range writers {
		require.NoError(t, <-errs)
	}
	got, err := replicas[0].Get(t.Context(), key)
	require.NoError(t, err)
	require.EqualValues(t, writers, got.Generation)
	require.EqualValues(t, writers, got.Version)
}

// updateOfAKnownToken begins with what the caller read, unless somebody else has written since.
func updateOfAKnownToken(t *testing.T, stores Stores) {
	s := stores.Same()
	put(t, s, full(key))
	known, err := s.Get(t.Context(), key)
	require.NoError(t, err)
	known.Credential, known.CredentialLost = token.Credential{AccessToken: seal.NewSecret("a")}, true
	var seen []token.Token
	note := func(r *token.Record) error {
		require.True(t, r.Exists)
		seen = append(seen, r.Token)
		r.Token.Failures++
		return nil
	}
	next, err := s.Update(t.Context(), key, &known, note)
	require.NoError(t, err)
	require.Equal(t, []token.Token{full(key)}, seen, "without its credential")
	got, err := s.Get(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, next, got)
	require.Equal(t, known.Version+1, got.Version)
	require.Equal(t, known.Failures+1, got.Failures)

	seen = nil
	again, err := s.Update(t.Context(), key, &known, note) // which is not what is stored any more
	require.NoError(t, err)
	require.Equal(t, next, seen[len(seen)-1])
	require.Equal(t, next.Version+1, again.Version)

	refused := errors.New("refused")
	was, err := s.Update(t.Context(), key, &next, func(r *token.Record) error {
		if r.Token.Version == again.Version {
			return refused
		}
		return token.ErrUnchanged
	})
	require.ErrorIs(t, err, refused, "what is stored decides")
	require.Equal(t, again, was)

	_, _, err = s.Delete(t.Context(), key, again.ConnectionUID, nil)
	require.NoError(t, err)
	_, err = s.Update(t.Context(), key, &again, func(r *token.Record) error {
		if !r.Exists {
			return token.ErrNotFound
		}
		return nil
	})
	require.ErrorIs(t, err, token.ErrNotFound)
}
