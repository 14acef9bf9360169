package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/signature"
	"github.com/freshet-io/freshet/services/internal/seal"
)

func testSigningKeys(t *testing.T, f *fixture) {
	ctx := t.Context()
	key := func() delivery.SigningKey {
		return delivery.SigningKey{
			Name:      delivery.SigningKeyName{Project: lane.Project, Destination: lane.Destination, Key: f.id()},
			Algorithm: signature.Ed25519, PublicKey: "whpk_x", CreateTime: now, Secret: seal.NewSecret("whsk_y"),
		}
	}
	require.ErrorIs(t, f.AddSigningKey(ctx, key(), now, time.Time{}, 2), delivery.ErrDestinationNotFound)
	d := f.destination(t, lane)
	first, second, third := key(), key(), key()
	require.NoError(t, f.AddSigningKey(ctx, first, now, time.Time{}, 2))
	retired := now.Add(time.Hour)
	require.NoError(t, f.AddSigningKey(ctx, second, now, retired, 2))
	first.ExpireTime = retired
	keys, err := f.SigningKeys(ctx, lane, now)
	require.NoError(t, err)
	require.Equal(t, []delivery.SigningKey{first, second}, keys)
	require.ErrorIs(t, f.AddSigningKey(ctx, third, now, time.Time{}, 2), delivery.ErrLimit)

	keys, err = f.SigningKeys(ctx, lane, retired)
	require.NoError(t, err)
	require.Equal(t, []delivery.SigningKey{second}, keys, "the other has expired")
	require.NoError(t, f.AddSigningKey(ctx, third, retired, retired.Add(time.Hour), 2), "so that there is room")
	require.ErrorIs(t, f.DeleteSigningKey(ctx, first.Name), delivery.ErrSigningKeyNotFound)
	require.NoError(t, f.DeleteSigningKey(ctx, second.Name))
	require.ErrorIs(t, f.DeleteSigningKey(ctx, second.Name), delivery.ErrSigningKeyNotFound)

	require.NoError(t, f.DeleteDestination(ctx, lane, d.Etag, delivery.Cancellation{Project: "p", ID: f.id(), Destination: "d"}))
	f.destination(t, lane)
	keys, err = f.SigningKeys(ctx, lane, now)
	require.NoError(t, err)
	require.Empty(t, keys, "they went with their destination")
}
