package rpc_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

// TestGetTokenRecord: all that is held, nothing that can be used, and nothing is obtained for it.
func TestGetTokenRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Hour)
		_, err := w.records.GetTokenRecord(t.Context(), &tokenv1.GetTokenRecordRequest{Name: crmName})
		requireStatus(t, err, codes.NotFound, errorsv1.Reason_TOKEN_NOT_FOUND)
		w.authorize(crmName)
		refreshed, err := w.tokens.RefreshToken(t.Context(), &tokenv1.RefreshTokenRequest{Name: crmName})
		require.NoError(t, err)

		record, err := w.records.GetTokenRecord(t.Context(), &tokenv1.GetTokenRecordRequest{Name: crmName})
		require.NoError(t, err)
		require.Equal(t, tokenv1.Token_AUTHORIZED, record.GetStatus().GetState())
		require.EqualValues(t, 2, record.GetStatus().GetGeneration())
		require.Equal(t, []string{"read"}, record.GetScopes())
		require.Equal(t, refreshed.GetToken().GetExpireTime().AsTime(), record.GetExpireTime().AsTime())
		require.Len(t, record.GetRotations(), 2)
		require.Equal(t, tokenv1.Rotation_CALLER, record.GetRotations()[0].GetTrigger())
		for _, secret := range w.auth.Secrets() {
			require.NotContains(t, record.String(), secret)
		}
	})
}
