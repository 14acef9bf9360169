package delivery_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
	"github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// wants answers 401 unless the request carries the token.
func wants(token *atomic.Value) func(http.ResponseWriter, *http.Request, int) {
	return func(w http.ResponseWriter, r *http.Request, _ int) {
		if r.Header.Get("Authorization") != "Bearer "+token.Load().(string) {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}
}

// TestRejectedTokenHeals: a token that the destination refuses is replaced, and that costs no attempt, not even where there is
// no retry.
func TestRejectedTokenHeals(t *testing.T) {
	var valid atomic.Value
	valid.Store("token-2")
	to := newSink(t, wants(&valid))
	tokens := deliverytest.NewTokens()
	tokens.Bearer(deliverytest.CRM, "token-1")
	tokens.OnReject = func(connection, _ string) { tokens.Bearer(connection, "token-2") }
	s := deliverytest.New(t, sqltest.Open(t, sqldb.SQLite, store.Migrations()), deliverytest.Options{Tokens: tokens}).Run(t)
	s.Destination(t, "shop", to.URL, nil)
	s.Rule(t, "shop", retries(0))
	d := await(t, s, s.Put(t, "shop", `{}`)[0], inState(delivery.Succeeded))
	require.Len(t, d.History, 2)
	require.Equal(t, delivery.Unauthorized, d.History[0].Class)
	require.EqualValues(t, 1, d.History[0].TokenGeneration)
	require.EqualValues(t, 2, d.History[1].TokenGeneration)
	require.Equal(t, 1, d.Charged)
	require.Len(t, tokens.Rejected(), 1)
	require.Eventually(t, func() bool { return tokens.Acknowledged(deliverytest.CRM) == 2 }, time.Minute, time.Millisecond)
}

// TestTokenThatNeverHeals: the second refusal counts, and the wait for another token is bounded.
func TestTokenThatNeverHeals(t *testing.T) {
	to := newSink(t, func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusUnauthorized) })
	tokens := deliverytest.NewTokens()
	tokens.Bearer(deliverytest.CRM, "token")
	tokens.OnReject = func(connection, _ string) { tokens.Bearer(connection, "other") }
	s := deliverytest.New(t, sqltest.Open(t, sqldb.SQLite, store.Migrations()), deliverytest.Options{Tokens: tokens}).Run(t)
	s.Destination(t, "shop", to.URL, nil)
	s.Rule(t, "shop", retries(0))
	d := await(t, s, s.Put(t, "shop", `{}`)[0], inState(delivery.Dead))
	require.Equal(t, delivery.NoPermissions, d.ErrorCode)
	require.Equal(t, delivery.RetriesExhausted, d.Condition)
	require.Len(t, d.History, 2)
}

// TestDeauthorizedWaits: without a valid credential nothing is attempted, and nothing is lost.
func TestDeauthorizedWaits(t *testing.T) {
	to := newSink(t, nil)
	tokens := deliverytest.NewTokens()
	tokens.Bearer(deliverytest.CRM, "token-1")
	s := deliverytest.New(t, sqltest.Open(t, sqldb.SQLite, store.Migrations()), deliverytest.Options{Tokens: tokens}).Run(t)
	require.True(t, s.Destination(t, "shop", to.URL, nil).Active)
	s.Rule(t, "shop", nil)
	inactive := func() bool {
		d, err := s.Service.GetDestination(t.Context(), delivery.DestinationName{Project: "p", Destination: "shop"})
		require.NoError(t, err)
		return !d.Active
	}
	tokens.Deauthorize(deliverytest.CRM)
	require.Eventually(t, inactive, time.Minute, time.Millisecond)
	events := s.Put(t, "shop", `{}`, `{}`, `{}`)
	for _, event := range events {
		d := await(t, s, event, inState(delivery.Pending))
		require.Zero(t, d.Attempts)
	}
	require.Empty(t, to.all())
	tokens.Bearer(deliverytest.CRM, "token-2")
	for _, event := range events {
		d := await(t, s, event, inState(delivery.Succeeded))
		require.Len(t, d.History, 1)
		require.EqualValues(t, 3, d.History[0].TokenGeneration)
	}
	require.False(t, inactive())
}

// TestExpiredTokenIsNotSent: a token is not used beyond its time, although no news came.
func TestExpiredTokenIsNotSent(t *testing.T) {
	to := newSink(t, nil)
	tokens := deliverytest.NewTokens()
	token := tokens.Bearer(deliverytest.CRM, "token-1")
	clock := time.Now()
	tokens.Put(deliverytest.CRM, &tokenv1.Token{
		State: token.GetState(), Credential: token.GetCredential(), Fingerprint: token.GetFingerprint(), ExpireTime: stamp(clock.Add(-time.Second)),
	})
	s := deliverytest.New(t, sqltest.Open(t, sqldb.SQLite, store.Migrations()), deliverytest.Options{Tokens: tokens}).Run(t)
	require.False(t, s.Destination(t, "shop", to.URL, nil).Active)
	s.Rule(t, "shop", nil)
	event := s.Put(t, "shop", `{}`)[0]
	await(t, s, event, inState(delivery.Pending))
	tokens.Bearer(deliverytest.CRM, "token-2")
	await(t, s, event, inState(delivery.Succeeded))
	require.Equal(t, "Bearer token-2", to.all()[0].Header.Get("Authorization"))
}

// TestConnectionParameters: what the connection says wins over the target, and secrets are not kept.
func TestConnectionParameters(t *testing.T) {
	to := newSink(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte("echo " + r.URL.RawQuery + " " + r.Header.Get("X-Key")))
	})
	tokens := deliverytest.NewTokens()
	field := func(key, value string) []*tokenv1.HttpCredentialField {
		return []*tokenv1.HttpCredentialField{{Key: key, Value: value}}
	}
	tokens.Put(deliverytest.CRM, &tokenv1.Token{State: tokenv1.Token_AUTHORIZED, Fingerprint: "0", Credential: &tokenv1.HttpCredential{
		Headers: append(field("X-Key", "canary-h"), field("Content-Type", "application/vnd.x+json")...),
		Query:   field("key", "canary-q"), Body: field("key", "canary-b"),
	}})
	s := deliverytest.New(t, sqltest.Open(t, sqldb.SQLite, store.Migrations()), deliverytest.Options{Tokens: tokens}).Run(t)
	s.Destination(t, "shop", to.URL+"?key=own&k=v", nil)
	s.Rule(t, "shop", func(r *delivery.Rule) {
		r.Targets[0].InputPath = "$.detail"
		r.Targets[0].Headers = map[string]string{"x-key": "target"}
		r.Targets[0].QueryParameters = map[string]string{"key": "target"}
	})
	d := await(t, s, s.Put(t, "shop", `{"key":"event","n":1.0}`)[0], inState(delivery.Dead))
	got := to.all()[0]
	require.Equal(t, "k=v&key=canary-q", got.Query)
	require.Equal(t, []string{"canary-h"}, got.Header.Values("X-Key"))
	require.Equal(t, "application/vnd.x+json", got.Header.Get("Content-Type"))
	require.Equal(t, `{"n":1.0,"key":"canary-b"}`, got.Body)
	require.Equal(t, `{"key":"event","n":1.0}`, d.Payload, "without what the connection added")
	require.NotContains(t, d.History[0].Excerpt+d.ErrorMessage+d.History[0].Message, "canary")
	require.Contains(t, d.History[0].Excerpt, "echo k=v&key=[redacted] [redacted]")
}
