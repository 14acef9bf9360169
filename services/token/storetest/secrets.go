package storetest

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/dpop"
	"github.com/freshet-io/freshet/services/token/oauth1"
)

const canary = "c4nary-s3cret"

// secretCredential has a canary in every place.
func secretCredential() token.Credential {
	fields := []token.Field{{Key: "K", Value: seal.NewSecret(canary)}, {Key: "empty", Value: seal.Secret{}}}
	return token.Credential{
		AccessToken: seal.NewSecret(canary + "-access"), RefreshToken: seal.NewSecret(canary + "-refresh"),
		HTTP: token.Fields{Headers: fields, Query: fields, Body: fields},
		OAuth1: oauth1.Credential{
			ConsumerKey: "c", ConsumerSecret: seal.NewSecret(canary + "-consumer"), Token: "t", TokenSecret: seal.NewSecret(canary + "-token"),
			Method: oauth1.HMACSHA256, Realm: "r",
		},
	}
}

// nextKey is kept beside the credential until the next one is stored.
func nextKey(t *testing.T, stores Stores) {
	s := stores.Same()
	made, err := dpop.NewKey(dpop.ES256)
	require.NoError(t, err)
	want := token.NextKey{Key: made, Seed: "seed-1"}
	putCredential(t, s, 1)
	update := func(change func(*token.Record)) token.Token {
		_, err := s.Update(t.Context(), key, nil, func(r *token.Record) error {
			require.True(t, r.Token.NextKey.Key.IsZero(), "an update does not see it")
			change(r)
			return nil
		})
		require.NoError(t, err)
		got, err := stores.Same().Get(t.Context(), key)
		require.NoError(t, err)
		return got
	}
	require.Equal(t, want, update(func(r *token.Record) { r.NextKey = &want }).NextKey)
	stored, ok := stores.Query("SELECT sealed_key FROM tokens").([]byte)
	require.True(t, ok)
	require.False(t, bytes.Contains(stored, []byte(`"private"`)), "sealed")

	got := update(func(r *token.Record) { r.Token.Generation++ })
	require.Equal(t, want, got.NextKey, "it is for the generations that follow")
	other, err := stores.OtherKey().Get(t.Context(), key)
	require.NoError(t, err)
	require.Zero(t, other.NextKey, "it does not open")
	got = update(func(r *token.Record) { r.Token.ConnectionUID = "uid-2" })
	require.Zero(t, got.NextKey, "it is not another connection's")
	update(func(r *token.Record) { r.Token.ConnectionUID = "uid-1" })

	c := secretCredential()
	c.Seed, c.Key = "seed-1", made
	got = update(func(r *token.Record) { r.Credential = &c })
	require.Zero(t, got.NextKey, "a credential comes with the key that it is bound to")
	require.Equal(t, c, got.Credential)
	require.Nil(t, stores.Query("SELECT sealed_key FROM tokens"))
}

// putCredential writes a token of the given generation with the secret credential.
func putCredential(t *testing.T, s token.Store, generation int64) {
	t.Helper()
	_, err := s.Update(t.Context(), key, nil, func(r *token.Record) error {
		r.Token.ConnectionUID, r.Token.Generation, r.Token.State = "uid-1", generation, token.StateAuthorized
		c := secretCredential()
		r.Credential = &c
		return nil
	})
	require.NoError(t, err)
}

func credential(t *testing.T, stores Stores) {
	s := stores.Same()
	putCredential(t, s, 1)
	want := secretCredential()
	got, err := stores.Same().Get(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, want, got.Credential)
	require.False(t, got.CredentialLost)

	stored := stores.Query("SELECT sealed FROM tokens")
	text, ok := stored.([]byte)
	require.True(t, ok, "%T", stored)
	require.NotEmpty(t, text)
	require.False(t, bytes.Contains(text, []byte(canary)), "sealed")

	_, err = s.Update(t.Context(), key, nil, func(r *token.Record) error {
		require.Equal(t, token.Credential{}, r.Token.Credential, "an update does not see it")
		r.Token.Message = "other"
		return nil
	})
	require.NoError(t, err)
	got, err = s.Get(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, want, got.Credential, "kept")

	_, err = s.Update(t.Context(), key, nil, func(r *token.Record) error {
		r.Credential = &token.Credential{}
		return nil
	})
	require.NoError(t, err)
	got, err = s.Get(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, token.Credential{}, got.Credential)
	require.False(t, got.CredentialLost)
	require.Nil(t, stores.Query("SELECT sealed FROM tokens"), "forgotten")

	for _, page := range [][]token.Token{must(s.List(t.Context(), token.Key{}, 10))(t), must(s.Due(t.Context(), token.DueCursor{}, at(1e6*time.Hour), 10))(t)} {
		for _, listed := range page {
			require.Equal(t, token.Credential{}, listed.Credential)
		}
	}
}

// credentialIsBound moves a sealed credential to where it does not belong.
func credentialIsBound(t *testing.T, stores Stores) {
	s := stores.Same()
	for name, change := range map[string]func(*token.Token){
		"generation": func(t *token.Token) { t.Generation++ },
		"connection": func(t *token.Token) { t.ConnectionUID = "uid-2" },
	} {
		putCredential(t, s, 1)
		_, err := s.Update(t.Context(), key, nil, func(r *token.Record) error {
			change(&r.Token)
			return nil
		})
		require.NoError(t, err)
		got, err := s.Get(t.Context(), key)
		require.NoError(t, err)
		require.True(t, got.CredentialLost, name)
		require.Equal(t, token.Credential{}, got.Credential, name)
	}
}

func credentialLost(t *testing.T, stores Stores) {
	putCredential(t, stores.Same(), 1)
	other := stores.OtherKey()
	got, err := other.Get(t.Context(), key)
	require.NoError(t, err, "the rest of the token can be read")
	require.True(t, got.CredentialLost)
	require.EqualValues(t, 1, got.Generation)
	require.Equal(t, token.Credential{}, got.Credential)
	putCredential(t, other, 2)
	got, err = other.Get(t.Context(), key)
	require.NoError(t, err, "and a new one be stored")
	require.False(t, got.CredentialLost)
}

func response(t *testing.T, stores Stores) {
	s := stores.Same()
	put(t, s, token.Token{Key: key, Version: 1, Lease: token.Lease{Owner: "me", Until: at(time.Minute), Fence: 1, Rotation: "01"}})
	want := token.Answer{
		StartTime: at(0), EndTime: at(time.Second), HTTPStatus: 200, ContentType: "application/json", RetryAfter: "5",
		Body: []byte(`{"access_token":"` + canary + `"}`),
	}
	entry := token.Rotation{Key: key, ID: "01", State: token.RotationResponded, StartTime: at(0)}
	write := func(answer *token.Answer) {
		_, err := s.Update(t.Context(), key, nil, func(r *token.Record) error {
			r.Journal, r.Answer = []token.Rotation{entry}, answer
			return nil
		})
		require.NoError(t, err)
	}
	write(&want)
	got, err := stores.Same().Response(t.Context(), key, "01")
	require.NoError(t, err)
	require.Equal(t, want, got)
	stored, ok := stores.Query("SELECT sealed_response FROM rotations").([]byte)
	require.True(t, ok)
	require.False(t, bytes.Contains(stored, []byte(canary)), "sealed")
	_, err = stores.OtherKey().Response(t.Context(), key, "01")
	require.ErrorIs(t, err, seal.ErrUnsealable)
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", got, got, got), canary)

	entry.State = token.RotationCommitted
	write(nil)
	_, err = s.Response(t.Context(), key, "01")
	require.ErrorIs(t, err, token.ErrNotFound, "forgotten when the rotation ended")
	require.Nil(t, stores.Query("SELECT sealed_response FROM rotations"))
}

// must returns a function that fails the test if err is not nil.
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		require.NoError(t, err)
		return value
	}
}
