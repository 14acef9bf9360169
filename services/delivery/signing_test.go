package delivery_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/signature"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// TestSignedDeliveries: a receiver with the official library accepts every attempt, during a rotation with either key, afterwards with
// the new one only.
func TestSignedDeliveries(t *testing.T) {
	to := newSink(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, "later")
		}
	})
	s := newShop(t, to.URL, nil, nil)
	old, err := s.Service.CreateSigningKey(t.Context(), shopDestination, delivery.NewSigningKey{})
	require.NoError(t, err)
	hour := time.Hour
	renewed, err := s.Service.CreateSigningKey(t.Context(), shopDestination, delivery.NewSigningKey{RetireOthers: &hour})
	require.NoError(t, err)
	verify := func(r received, secret seal.Secret) error {
		receiver, err := standardwebhooks.NewWebhook(secret.Reveal())
		require.NoError(t, err)
		return receiver.Verify([]byte(r.Body), r.Header)
	}
	d := await(t, s, s.Put(t, "shop", `{"a":1}`)[0], inState(delivery.Succeeded))
	for _, r := range to.wait(t, 2) {
		require.Equal(t, d.ID.Delivery, r.Header.Get("webhook-id"), "the same in every attempt")
		require.NoError(t, verify(r, old.Secret))
		require.NoError(t, verify(r, renewed.Secret))
	}
	require.NotContains(t, d.History[0].Exchange.RequestHeaders, "Webhook-Signature")
	require.Contains(t, d.History[0].Exchange.RequestHeaders, "Webhook-Id")

	require.NoError(t, s.Service.DeleteSigningKey(t.Context(), old.Name))
	s.Put(t, "shop", `{"a":2}`)
	r := to.wait(t, 3)[2]
	require.Error(t, verify(r, old.Secret))
	require.NoError(t, verify(r, renewed.Secret))
}

func TestSigningKeysOfTwoKinds(t *testing.T) {
	to := newSink(t, nil)
	s := newShop(t, to.URL, nil, nil)
	key, err := s.Service.CreateSigningKey(t.Context(), shopDestination, delivery.NewSigningKey{Algorithm: signature.Ed25519})
	require.NoError(t, err)
	imported := seal.NewSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	second, err := s.Service.CreateSigningKey(t.Context(), shopDestination, delivery.NewSigningKey{Secret: imported})
	require.NoError(t, err)
	require.True(t, imported.Equal(second.Secret))
	for _, n := range []delivery.NewSigningKey{
		{Secret: imported, Algorithm: signature.Ed25519}, {Secret: seal.NewSecret("whsec_short")},
	} {
		_, err = s.Service.CreateSigningKey(t.Context(), shopDestination, n)
		var invalid *delivery.InvalidError
		require.ErrorAs(t, err, &invalid)
		require.NotContains(t, err.Error(), "short")
	}
	keys, err := s.Service.ListSigningKeys(t.Context(), shopDestination)
	require.NoError(t, err)
	require.Len(t, keys, 2)
	require.True(t, imported.Equal(keys[1].Secret))

	s.Put(t, "shop", `{}`)
	r := to.wait(t, 1)[0]
	signatures := strings.Split(r.Header.Get("webhook-signature"), " ")
	require.Len(t, signatures, 2)
	signed, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(signatures[0], "v1a,"))
	require.NoError(t, err)
	public, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(key.PublicKey, "whpk_"))
	require.NoError(t, err)
	content := r.Header.Get("webhook-id") + "." + r.Header.Get("webhook-timestamp") + "." + r.Body
	require.True(t, ed25519.Verify(public, []byte(content), signed))
}

// TestStatusesOfADestination: what a destination means by its statuses.
func TestStatusesOfADestination(t *testing.T) {
	status := http.StatusForbidden
	to := newSink(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 1 {
			w.WriteHeader(status)
		}
	})
	s := newShop(t, to.URL, nil, func(d *delivery.Destination) {
		d.Statuses = delivery.Statuses{Unauthorized: []int{403}, Retryable: []int{404}, Permanent: []int{501}}
		d.IdempotencyHeader = "X-Request-Id"
	})
	s.Tokens.OnReject = func(connection, _ string) { s.Tokens.Bearer(connection, "token-2") }
	d := await(t, s, s.Put(t, "shop", `{}`)[0], inState(delivery.Succeeded))
	require.Equal(t, delivery.Unauthorized, d.History[0].Class)
	require.Zero(t, d.Retries(), "the first costs none")
	require.Equal(t, "Bearer token-2", to.all()[1].Header.Get("Authorization"))
	require.Equal(t, d.ID.Delivery, to.all()[1].Header.Get("X-Request-Id"))
	require.Empty(t, to.all()[1].Header.Get("Idempotency-Key"))

	for _, c := range []struct {
		status int
		state  delivery.State
	}{{404, delivery.Succeeded}, {501, delivery.Dead}} {
		to := newSink(t, func(w http.ResponseWriter, _ *http.Request, n int) {
			if n == 1 {
				w.WriteHeader(c.status)
			}
		})
		change(t, s, func(d *delivery.Destination) { d.Endpoint = to.URL })
		await(t, s, s.Put(t, "shop", `{}`)[0], inState(c.state))
	}
	_, err := s.Service.UpdateDestination(t.Context(), shopDestination, delivery.Write{}, func(d *delivery.Destination) error {
		d.Statuses.Permanent = []int{403}
		return nil
	})
	require.ErrorContains(t, err, "403 is in another list")
	for _, header := range []string{"host", "Authorization", "webhook-id"} {
		_, err = s.Service.UpdateDestination(t.Context(), shopDestination, delivery.Write{}, func(d *delivery.Destination) error {
			d.IdempotencyHeader = header
			return nil
		})
		require.ErrorContains(t, err, "idempotency_header")
	}
}
