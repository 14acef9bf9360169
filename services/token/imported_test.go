package token_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
)

// ada is a grant of the connection crm.
var ada = token.Key{Project: crm.Project, Connection: crm.Connection, Grant: "ada"}

const adaUID = "uid-ada"

// granting are the settings of ada, with a refresh token of the suite's server.
func (s *suite) granting(revision int64, imported token.Imported) token.Settings {
	s.t.Helper()
	with := s.refreshing(revision, singleUse) // and the connection's own, which revocations are made with
	with.ConnectionUID, with.Imported = adaUID, imported
	with.OAuth2.Policy.Mode = token.WhileWatched
	with.OAuth2.Provider.RevocationEndpoint = "https://as.example/revoke"
	s.connections.set(ada.SettingsName(), with)
	of := with
	of.ConnectionUID = uid
	s.connections.set(crm.ConnectionName(), of)
	return with
}

func (s *suite) get(svc *token.Service, key token.Key) token.Token {
	s.t.Helper()
	got, err := svc.Get(s.t.Context(), key, 0)
	require.NoError(s.t, err)
	return got
}

func TestImportedTokenIsServedWithoutARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		until := time.Now().Add(30 * time.Minute).Truncate(time.Microsecond).UTC()
		s.granting(1, token.Imported{AccessToken: seal.NewSecret("imported"), ExpireTime: until})
		svc, _ := s.start(s.params())
		_, err := svc.Authorize(t.Context(), ada, adaUID, 1)
		require.NoError(t, err)
		synctest.Wait()
		got := s.get(svc, ada)
		require.Equal(t, "imported", got.Credential.AccessToken.Reveal())
		require.Equal(t, until, got.ExpireTime)
		require.Equal(t, []string{"read"}, got.Scopes)
		require.Zero(t, s.auth.Stats().Requests)

		time.Sleep(time.Hour) // nobody watches: nothing is asked for
		require.Zero(t, s.auth.Stats().Requests)
		next := s.get(svc, ada)
		require.EqualValues(t, 2, next.Generation)
		require.Equal(t, 1, s.auth.Stats().Requests, "with the refresh token that came with it")
		s.unharmed()
	})
}

func TestImportedTokenWithoutRefreshTokenEndsItsGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		until := time.Now().Add(30 * time.Minute).Truncate(time.Microsecond).UTC()
		with := s.granting(1, token.Imported{AccessToken: seal.NewSecret("imported"), ExpireTime: until})
		with.OAuth2.RefreshToken = seal.Secret{}
		s.connections.set(ada.SettingsName(), with)
		svc, _ := s.start(s.params())
		_, err := svc.Authorize(t.Context(), ada, adaUID, 1)
		require.NoError(t, err)
		synctest.Wait()
		got := s.get(svc, ada)
		require.Equal(t, until, got.GrantExpireTime, "the end user must come before")

		time.Sleep(29 * time.Minute)
		require.Equal(t, "imported", s.get(svc, ada).Credential.AccessToken.Reveal(), "served for as long as it is valid")
		time.Sleep(2 * time.Minute)
		_, err = svc.Get(t.Context(), ada, 0)
		require.Equal(t, token.ReasonGrantDead, reasonOf(t, err))
		require.Zero(t, s.auth.Stats().Requests)
	})
}

// TestEndedGrantIsRevoked: with its refresh token, also after the token is gone, and after the endpoint failed.
func TestEndedGrantIsRevoked(t *testing.T) {
	for name, end := range map[string]func(context.Context, *token.Service) error{
		"deleted": func(ctx context.Context, svc *token.Service) error { return svc.Delete(ctx, ada, adaUID, true) },
		"deauthorized": func(ctx context.Context, svc *token.Service) error {
			_, err := svc.Deauthorize(ctx, ada, adaUID, 2, true)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSuite(t, openSQLite(t), time.Hour)
				endpoint := &revocations{next: s.transport, status: http.StatusServiceUnavailable}
				s.transport = endpoint
				s.granting(1, token.Imported{})
				svc, _ := s.start(s.params())
				_, err := svc.Authorize(t.Context(), ada, adaUID, 1)
				require.NoError(t, err)
				synctest.Wait()
				held := s.get(svc, ada).Credential.RefreshToken.Reveal()
				require.NotEmpty(t, held)

				require.NoError(t, end(t.Context(), svc))
				synctest.Wait()
				require.NotEmpty(t, endpoint.list())
				endpoint.answer(http.StatusOK)
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				tries := endpoint.list()
				require.Equal(t, held, tries[len(tries)-1])
				time.Sleep(24 * time.Hour)
				synctest.Wait()
				require.Len(t, endpoint.list(), len(tries), "once it is revoked, that is all")
			})
		})
	}
}

func TestDeletedWithoutRevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		endpoint := &revocations{next: s.transport, status: http.StatusOK}
		s.transport = endpoint
		s.granting(1, token.Imported{})
		svc, _ := s.start(s.params())
		_, err := svc.Authorize(t.Context(), ada, adaUID, 1)
		require.NoError(t, err)
		synctest.Wait()
		require.NoError(t, svc.Delete(t.Context(), ada, adaUID, false))
		time.Sleep(time.Hour)
		require.Empty(t, endpoint.list())
	})
}
