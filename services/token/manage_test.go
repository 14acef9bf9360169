package token_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
)

func TestStaticCredentials(t *testing.T) {
	for _, test := range []struct {
		kind        token.Kind
		change      func(*token.Settings)
		header      string
		value       string
		fingerprint string
	}{
		{
			token.KindAPIKey, func(s *token.Settings) { s.APIKey = token.APIKey{Name: "x-api-key", Value: seal.NewSecret("k3y")} },
			"x-api-key", "k3y", seal.NewSecret("k3y").Fingerprint(),
		},
		{
			token.KindBasic, func(s *token.Settings) {
				s.Basic = token.Basic{Username: "Aladdin", Password: seal.NewSecret("open sesame")} // RFC 7617 section 2
			},
			"Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", seal.NewSecret("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==").Fingerprint(),
		},
	} {
		t.Run(string(test.kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSuite(t, openSQLite(t), time.Hour)
				static := token.Settings{ConnectionUID: uid, Revision: 1, Kind: test.kind, Invocation: settings(1).Invocation}
				test.change(&static)
				s.connections.set(crm.ConnectionName(), static)
				svc, _ := s.start(s.params())
				_, err := svc.Authorize(t.Context(), crm, uid, 1)
				require.NoError(t, err)
				got, err := svc.Get(t.Context(), crm, time.Hour)
				require.NoError(t, err)
				require.EqualValues(t, 1, got.Generation)
				require.True(t, got.Credential.AccessToken.IsZero())
				require.Equal(t, test.header, got.Credential.HTTP.Headers[0].Key)
				require.Equal(t, test.value, got.Credential.HTTP.Headers[0].Value.Reveal())
				require.Equal(t, "X-Tenant", got.Credential.HTTP.Headers[1].Key)
				require.Equal(t, test.fingerprint, got.Fingerprint)
				require.True(t, got.ExpireTime.IsZero())
				require.True(t, got.AttemptAt.IsZero())

				current, _, err := svc.ReportRejected(t.Context(), crm, got.Fingerprint)
				require.NoError(t, err)
				require.True(t, current)
				time.Sleep(100 * time.Hour)
				synctest.Wait()
				require.EqualValues(t, 1, s.read().Generation, "there is no other to be had")
				_, err = svc.SimulateExpiry(t.Context(), crm, 0)
				require.ErrorIs(t, err, token.ErrStateConflict)

				static.Revision = 2
				s.connections.set(crm.ConnectionName(), static)
				_, err = svc.Authorize(t.Context(), crm, uid, 2)
				require.NoError(t, err)
				synctest.Wait()
				require.EqualValues(t, 2, s.read().Generation, "a change is a rotation like any other")
				require.Zero(t, s.auth.Stats().Requests)
			})
		})
	}
}

func TestAuthorizeIsIdempotent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, svc, first := authorized(t, time.Hour)
		for _, revision := range []int64{1, 0} {
			got, err := svc.Authorize(t.Context(), crm, uid, revision)
			require.NoError(t, err)
			require.Equal(t, first.Version, got.Version)
		}
		synctest.Wait()
		require.Equal(t, 1, s.auth.Stats().Requests)
	})
}

// TestUpdateKeepsTheFormerToken until the new one is there, and beyond if it never comes.
func TestUpdateKeepsTheFormerToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, svc, first := authorized(t, time.Hour)
		s.auth.Inject(authserver.Fault{Kind: authserver.FaultDelay, Delay: 5 * time.Second, Count: 1})
		s.connections.set(crm.ConnectionName(), settings(2))
		got, err := svc.Authorize(t.Context(), crm, uid, 2)
		require.NoError(t, err)
		require.Equal(t, token.StateAuthorized, got.State)
		require.EqualValues(t, 1, got.StatusRevision(), "the state is that of the former revision")
		require.EqualValues(t, 2, got.WantedRevision())
		time.Sleep(time.Second)
		got, err = svc.Get(t.Context(), crm, 0)
		require.NoError(t, err)
		require.Equal(t, first.Fingerprint, got.Fingerprint)
		time.Sleep(5 * time.Second)
		got, err = svc.Get(t.Context(), crm, 0)
		require.NoError(t, err)
		require.EqualValues(t, 2, got.Generation)
		require.EqualValues(t, 2, got.StatusRevision())
		require.Zero(t, got.WantedRevision())

		s.auth.Inject(authserver.Fault{Kind: authserver.FaultOAuthError, Code: "invalid_client"})
		s.connections.set(crm.ConnectionName(), settings(3))
		_, err = svc.Authorize(t.Context(), crm, uid, 3)
		require.NoError(t, err)
		synctest.Wait()
		got, err = svc.Get(t.Context(), crm, 0)
		require.NoError(t, err)
		require.EqualValues(t, 2, got.Generation)
		require.Equal(t, token.Failing, got.Health(time.Now()))
		require.EqualValues(t, 3, got.WantedRevision())
		require.Equal(t, token.ReasonClientBroken, got.LastFailure.Reason)
		time.Sleep(time.Until(got.ExpireTime))
		synctest.Wait()
		got = s.read()
		require.Equal(t, token.StateDeauthorized, got.State)
		require.Equal(t, token.ReasonClientBroken, got.Reason)
		require.EqualValues(t, 3, got.StatusRevision())
		require.Zero(t, got.WantedRevision())
	})
}

// TestUpdateInMidRequest: what comes from the settings of before is used, and what the new ones give follows at once.
func TestUpdateInMidRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		s.auth.Inject(authserver.Fault{Kind: authserver.FaultOAuthError, Code: "invalid_client", Delay: 5 * time.Second, Count: 1})
		svc, _ := s.start(s.params())
		_, err := svc.Authorize(t.Context(), crm, uid, 1)
		require.NoError(t, err)
		synctest.Wait()
		s.connections.set(crm.ConnectionName(), settings(2))
		_, err = svc.Authorize(t.Context(), crm, uid, 2)
		require.NoError(t, err)
		time.Sleep(6 * time.Second)
		synctest.Wait()
		got := s.read()
		require.Equal(t, token.StateAuthorized, got.State, "the former settings' failure says nothing of the new ones")
		require.EqualValues(t, 2, got.GenerationRevision)
		require.Equal(t, 2, s.auth.Stats().Requests)
	})
}

func TestDeauthorize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, svc, first := authorized(t, time.Hour)
		watcher := svc.Watch(t.Context())
		defer watcher.Close(t.Context())
		require.NoError(t, watcher.Add(t.Context(), crm))
		watcher.Take()
		got, err := svc.Deauthorize(t.Context(), crm, "uid-of-another", 1, false)
		require.NoError(t, err)
		require.Equal(t, token.StateAuthorized, got.State)

		for range 2 {
			got, err = svc.Deauthorize(t.Context(), crm, uid, 1, false)
			require.NoError(t, err)
			require.Equal(t, token.StateDeauthorized, got.State)
			require.Equal(t, token.ReasonDeauthorized, got.Reason)
			require.Equal(t, token.Failing, got.Health(time.Now()), "attempts have ended")
		}
		updates := watcher.Take()
		require.Len(t, updates, 1)
		require.Equal(t, token.StateDeauthorized, updates[0].Token.State)
		stored := s.read()
		require.Equal(t, token.Credential{}, stored.Credential)
		require.Empty(t, stored.Fingerprint)
		require.EqualValues(t, 1, stored.Generation)
		_, err = svc.Get(t.Context(), crm, 0)
		require.Equal(t, token.ReasonDeauthorized, reasonOf(t, err))
		_, err = svc.Refresh(t.Context(), crm)
		require.Equal(t, token.ReasonDeauthorized, reasonOf(t, err))
		current, _, err := svc.ReportRejected(t.Context(), crm, first.Fingerprint)
		require.NoError(t, err)
		require.False(t, current)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.Equal(t, 1, s.auth.Stats().Requests)

		got, err = svc.Authorize(t.Context(), crm, uid, 1)
		require.NoError(t, err)
		require.Equal(t, token.StateDeauthorized, got.State, "a repeated call of before changes nothing")
		s.connections.set(crm.ConnectionName(), settings(2))
		got, err = svc.Authorize(t.Context(), crm, uid, 2)
		require.NoError(t, err)
		require.Equal(t, token.StateAuthorizing, got.State)
		synctest.Wait()
		updates = watcher.Take()
		require.Equal(t, token.StateAuthorized, updates[len(updates)-1].Token.State)
		require.EqualValues(t, 2, updates[len(updates)-1].Token.Generation, "it never goes back")
	})
}

// TestDeauthorizeInMidRequest: what the request brings is not kept.
func TestDeauthorizeInMidRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		s.auth.Inject(authserver.Fault{Kind: authserver.FaultDelay, Delay: 5 * time.Second, Count: 1})
		svc, _ := s.start(s.params())
		_, err := svc.Authorize(t.Context(), crm, uid, 1)
		require.NoError(t, err)
		synctest.Wait()
		waited := make(chan error, 1)
		go func() {
			_, err := svc.Get(t.Context(), crm, 0)
			waited <- err
		}()
		synctest.Wait()
		_, err = svc.Deauthorize(t.Context(), crm, uid, 1, false)
		require.NoError(t, err)
		require.Equal(t, token.ReasonDeauthorized, reasonOf(t, <-waited))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		got := s.read()
		require.Equal(t, token.StateDeauthorized, got.State)
		require.Equal(t, token.Credential{}, got.Credential)
		rotations, err := svc.Rotations(t.Context(), crm, "", 10)
		require.NoError(t, err)
		require.Len(t, rotations, 1)
		require.Equal(t, token.RotationAbandoned, rotations[0].State)
	})
}

// TestDeauthorizeOvertakesAuthorize: the older call arrives second and starts nothing.
func TestDeauthorizeOvertakesAuthorize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		svc, _ := s.start(s.params())
		_, err := svc.Deauthorize(t.Context(), crm, uid, 1, false)
		require.NoError(t, err)
		got, err := svc.Authorize(t.Context(), crm, uid, 1)
		require.NoError(t, err)
		require.Equal(t, token.StateDeauthorized, got.State)
		synctest.Wait()
		require.Zero(t, s.auth.Stats().Requests)
	})
}

func TestDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, svc, first := authorized(t, time.Hour)
		watcher := svc.Watch(t.Context())
		defer watcher.Close(t.Context())
		require.NoError(t, watcher.Add(t.Context(), crm))
		watcher.Take()
		require.NoError(t, svc.Delete(t.Context(), crm, "uid-of-another", false))
		require.Empty(t, watcher.Take())
		for range 2 {
			require.NoError(t, svc.Delete(t.Context(), crm, uid, false))
		}
		updates := watcher.Take()
		require.Len(t, updates, 1)
		require.True(t, updates[0].Deleted)
		_, err := svc.Get(t.Context(), crm, 0)
		require.ErrorIs(t, err, token.ErrNotFound)
		_, err = svc.Rotations(t.Context(), crm, "", 10)
		require.ErrorIs(t, err, token.ErrNotFound)
		require.ErrorIs(t, watcher.Add(t.Context(), crm), token.ErrNotFound)

		time.Sleep(time.Second)
		const successor = "uid-2"
		other := settings(1)
		other.ConnectionUID = successor
		s.connections.set(crm.ConnectionName(), other)
		_, err = svc.Authorize(t.Context(), crm, successor, 1)
		require.NoError(t, err)
		got, err := svc.Get(t.Context(), crm, 0)
		require.NoError(t, err)
		require.EqualValues(t, 1, got.Generation)
		require.Greater(t, got.Version, first.Version)
	})
}

// TestAnotherConnectionOfTheName starts anew although the deletion of its predecessor was never heard of.
func TestAnotherConnectionOfTheName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, svc, first := authorized(t, time.Hour)
		other := settings(1)
		other.ConnectionUID = "uid-2"
		s.connections.set(crm.ConnectionName(), other)
		got, err := svc.Authorize(t.Context(), crm, "uid-2", 1)
		require.NoError(t, err)
		require.Equal(t, token.StateAuthorizing, got.State)
		require.Zero(t, got.Generation)
		require.Greater(t, got.Version, first.Version)
		synctest.Wait()
		stored := s.read()
		require.EqualValues(t, 1, stored.Generation)
		require.Equal(t, "uid-2", stored.ConnectionUID)
		rotations, err := svc.Rotations(t.Context(), crm, "", 10)
		require.NoError(t, err)
		require.Len(t, rotations, 1, "the predecessor's history is gone")
	})
}

func TestTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		svc, _ := s.start(s.params())
		s.auth.Inject(authserver.Fault{Kind: authserver.FaultDelay, Delay: 2 * time.Second, Count: 1})
		trial, err := svc.Try(t.Context(), settings(1))
		require.NoError(t, err)
		require.Nil(t, trial.Failure)
		require.True(t, trial.Sent)
		require.Equal(t, 200, trial.HTTPStatus)
		require.Equal(t, 2*time.Second, trial.Duration)
		require.Equal(t, time.Hour, trial.Issued.ExpireTime.Sub(trial.Issued.IssueTime))
		require.Equal(t, []string{"read"}, trial.Issued.Scopes)
		require.True(t, trial.Issued.AccessToken.IsZero(), "thrown away")

		wrong := settings(1)
		wrong.OAuth2.ClientSecret = seal.NewSecret("wrong-" + clientSecret)
		trial, err = svc.Try(t.Context(), wrong)
		require.NoError(t, err)
		require.Equal(t, token.ClassClientBroken, trial.Failure.Class)
		require.Equal(t, 401, trial.HTTPStatus)
		require.True(t, trial.Sent)
		require.NotContains(t, trial.Failure.Message, clientSecret)

		_, err = svc.Try(t.Context(), token.Settings{Kind: token.KindAPIKey})
		require.ErrorIs(t, err, token.ErrUnsupported)
		_, err = svc.Get(t.Context(), crm, 0)
		require.ErrorIs(t, err, token.ErrNotFound, "nothing is stored")
	})
}

func TestWatchStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, svc, _ := authorized(t, time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		events := make(chan string, 100)
		release := make(chan struct{})
		done := make(chan error, 1)
		go func() {
			done <- svc.WatchStates(ctx, token.StatesScope{Idle: 30 * time.Second}, token.StatesSink{
				State: func(u *token.Update) error {
					if len(u.Token.Credential.HTTP.Headers) > 0 {
						return errors.New("a state has no credential")
					}
					if u.Deleted {
						events <- u.Token.Key.Connection + " deleted"
						return nil
					}
					events <- u.Token.Key.Connection + " " + string(u.Token.State)
					if u.Token.Key.Connection == "erp" {
						<-release // a slow reader
					}
					return nil
				},
				Synced: func() error { events <- "synced"; return nil },
				Idle:   func() error { events <- "idle"; return nil },
			})
		}()
		require.Equal(t, "crm AUTHORIZED", <-events)
		require.Equal(t, "synced", <-events)

		erp := token.Key{Project: "default", Connection: "erp"}
		_, err := svc.Deauthorize(t.Context(), erp, "uid-erp", 1, false)
		require.NoError(t, err)
		require.Equal(t, "erp DEAUTHORIZED", <-events)
		for range 5 {
			_, err = svc.Refresh(t.Context(), crm)
			require.NoError(t, err)
		}
		require.NoError(t, svc.Delete(t.Context(), erp, "uid-erp", false))
		close(release)
		require.Equal(t, "crm AUTHORIZED", <-events, "it skips states and gets the newest")
		require.Equal(t, "erp deleted", <-events)
		require.Equal(t, "idle", <-events)
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	})
}

func TestSinkFailureEndsTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, svc, _ := authorized(t, time.Hour)
		broken := errors.New("broken pipe")
		sink := token.StatesSink{
			State:  func(*token.Update) error { return nil },
			Synced: func() error { return nil },
			Idle:   func() error { return broken },
		}
		require.ErrorIs(t, svc.WatchStates(t.Context(), token.StatesScope{Idle: time.Second}, sink), broken)
		sink.Synced = func() error { return broken }
		require.ErrorIs(t, svc.WatchStates(t.Context(), token.StatesScope{Idle: time.Second}, sink), broken)
		sink.State = func(*token.Update) error { return broken }
		require.ErrorIs(t, svc.WatchStates(t.Context(), token.StatesScope{Idle: time.Second}, sink), broken)
	})
}
