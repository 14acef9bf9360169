package delivery_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
	"github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/demo/possession"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// guarded is an API that takes bound tokens only, with a proof that it checks.
func guarded(checker *possession.Checker) func(http.ResponseWriter, *http.Request, int) {
	return func(w http.ResponseWriter, r *http.Request, _ int) {
		if nonce := checker.Nonce(); nonce != "" {
			w.Header().Set("DPoP-Nonce", nonce)
		}
		scheme, access, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		_, refusal := checker.Check(r, "http://"+r.Host+r.URL.Path, access)
		if refusal != nil || scheme != "DPoP" {
			w.Header().Set("WWW-Authenticate", `DPoP error="`+refusal.Code+`"`)
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte("refused: " + r.Header.Get("DPoP")))
		}
	}
}

// bound is a suite with a bound token for everything that goes to an address.
func bound(t *testing.T, tokens *deliverytest.Tokens, address string) *deliverytest.Suite {
	t.Helper()
	tokens.Bound(t, deliverytest.CRM, "token-1")
	s := deliverytest.New(t, sqltest.Open(t, sqldb.SQLite, store.Migrations()), deliverytest.Options{Tokens: tokens}).Run(t)
	s.Destination(t, "shop", address, nil)
	s.Rule(t, "shop", retries(0))
	return s
}

// TestBoundCredential: each request has a proof; the nonce that the destination wants is no matter of the credential, nor of the attempt.
func TestBoundCredential(t *testing.T) {
	to := newSink(t, guarded(possession.New(possession.Policy{Nonce: time.Hour}, nil)))
	tokens := deliverytest.NewTokens()
	s := bound(t, tokens, to.URL+"/orders?a=1")
	d := await(t, s, s.Put(t, "shop", `{}`)[0], inState(delivery.Succeeded))
	require.Len(t, d.History, 1)
	require.Equal(t, 1, d.Charged)
	require.Len(t, to.all(), 2, "the nonce came with the refusal of the first")
	require.Equal(t, to.all()[0].Header.Get("Idempotency-Key"), to.all()[1].Header.Get("Idempotency-Key"))
	require.NotEqual(t, to.all()[0].Header.Get("Dpop"), to.all()[1].Header.Get("Dpop"))

	await(t, s, s.Put(t, "shop", `{}`)[0], inState(delivery.Succeeded))
	require.Len(t, to.all(), 3, "it is remembered")
	require.Empty(t, tokens.Rejected())
}

// TestEndlessChallenges end the attempt, but say nothing of the credential.
func TestEndlessChallenges(t *testing.T) {
	checker := possession.New(possession.Policy{Nonce: time.Hour}, nil)
	check := guarded(checker)
	to := newSink(t, func(w http.ResponseWriter, r *http.Request, n int) {
		checker.Renew()
		check(w, r, n)
	})
	tokens := deliverytest.NewTokens()
	s := bound(t, tokens, to.URL)
	d := await(t, s, s.Put(t, "shop", `{}`)[0], inState(delivery.Dead))
	require.Len(t, d.History, 1)
	require.Equal(t, delivery.RetryableStatus, d.History[0].Class)
	require.Equal(t, http.StatusUnauthorized, d.History[0].StatusCode)
	require.Equal(t, "refused: [redacted]", d.History[0].Excerpt, "a proof is not shown")
	require.Len(t, to.all(), 2)
	require.Empty(t, tokens.Rejected())
}

// TestRefusedBoundCredential is reported as any other.
func TestRefusedBoundCredential(t *testing.T) {
	to := newSink(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		if r.Header.Get("Authorization") != "DPoP token-2" {
			w.Header().Set("WWW-Authenticate", `DPoP error="invalid_token"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	tokens := deliverytest.NewTokens()
	tokens.OnReject = func(connection, _ string) { tokens.Bound(t, connection, "token-2") }
	s := bound(t, tokens, to.URL)
	d := await(t, s, s.Put(t, "shop", `{}`)[0], inState(delivery.Succeeded))
	require.Len(t, d.History, 2)
	require.Len(t, tokens.Rejected(), 1)
}

// TestNoProofNoAttempt: what the token service cannot prove at the moment waits, at no cost of an attempt.
func TestNoProofNoAttempt(t *testing.T) {
	to := newSink(t, guarded(possession.New(possession.Policy{}, nil)))
	tokens := deliverytest.NewTokens()
	var asked atomic.Int32
	tokens.OnProve = func(*tokenv1.CreateDpopProofRequest) error {
		switch asked.Add(1) {
		case 1:
			return errors.New("out of reach")
		case 2: // a new generation overtakes the attempt
			tokens.Bound(t, deliverytest.CRM, "token-2")
		}
		return nil
	}
	s := bound(t, tokens, to.URL)
	d := await(t, s, s.Put(t, "shop", `{}`)[0], inState(delivery.Succeeded))
	require.Len(t, d.History, 1)
	require.Equal(t, 1, d.Attempts)
	require.EqualValues(t, 2, d.History[0].TokenGeneration)
	require.Len(t, to.all(), 1)
	require.EqualValues(t, 3, asked.Load())
	require.Empty(t, tokens.Rejected())
}
