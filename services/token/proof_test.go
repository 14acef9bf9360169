package token_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/demo/possession"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/dpop"
	"github.com/freshet-io/freshet/services/token/store"
)

// bound are settings that ask for tokens bound to a key.
func bound(with token.Settings, algorithm dpop.Algorithm) token.Settings {
	with.OAuth2.DPoP = algorithm
	return with
}

// proofWith is a proof for a call of an API, checked as the API does. It returns the thumbprint of its key.
func (s *suite) proofWith(svc *token.Service, checker *possession.Checker, t token.Token) string {
	s.t.Helper()
	proof, err := svc.Prove(s.t.Context(), t.Key, token.ProofRequest{
		Method: "PATCH", URL: "https://api.example/orders/7?expand=lines", Nonce: checker.Nonce(), Fingerprint: t.Fingerprint,
	})
	require.NoError(s.t, err)
	require.Equal(s.t, t.Generation, proof.Generation)
	require.Equal(s.t, t.Fingerprint, proof.Fingerprint)
	r := httptest.NewRequest(http.MethodPatch, "https://api.example/orders/7?expand=lines", nil)
	r.Header.Set("DPoP", proof.Text)
	thumbprint, refusal := checker.Check(r, r.URL.String(), t.Credential.AccessToken.Reveal())
	require.Nil(s.t, refusal)
	return thumbprint
}

// TestBoundTokens have one key for the life of their grant, over generations and restarts.
func TestBoundTokens(t *testing.T) {
	for _, algorithm := range []dpop.Algorithm{dpop.ES256, dpop.EdDSA} {
		for name, grant := range map[string]func(*suite) token.Settings{
			"client credentials": func(*suite) token.Settings { return settings(1) },
			"refresh token":      func(s *suite) token.Settings { return s.refreshing(1, singleUse) },
			"code of a public client": func(s *suite) token.Settings {
				require.NoError(s.t, s.auth.SetRefreshPolicy(singleUse.policy))
				code, err := s.auth.IssueCode(publicID, "alice", "", "", "read")
				require.NoError(s.t, err)
				with := settings(1)
				with.Kind, with.OAuth2.Grant, with.OAuth2.Code.Code = token.KindAuthorizationCode, token.KindAuthorizationCode, seal.NewSecret(code)
				with.OAuth2.ClientID, with.OAuth2.ClientSecret, with.OAuth2.ClientAuthentication = publicID, seal.Secret{}, token.NoClientAuth
				return with
			},
		} {
			t.Run(string(algorithm)+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newSuite(t, openSQLite(t), time.Hour)
					s.auth.SetDPoPPolicy(authserver.DPoPPolicy{Required: true, Proof: possession.Policy{Nonce: 5 * time.Minute}})
					api := possession.New(possession.Policy{Nonce: time.Minute}, nil)
					with := bound(grant(s), algorithm)
					s.connections.set(crm.ConnectionName(), with)
					svc, stop := s.start(s.params())
					first := s.authorize(svc, 1)
					thumbprint, ok := first.Bound()
					require.True(t, ok)
					require.Equal(t, "DPoP "+first.Credential.AccessToken.Reveal(), first.Credential.HTTP.Headers[0].Value.Reveal())
					require.Equal(t, thumbprint, s.proofWith(svc, api, first))
					second, err := svc.Refresh(t.Context(), crm)
					require.NoError(t, err)
					stop()

					svc, _ = s.start(s.params())
					time.Sleep(3 * time.Hour)
					synctest.Wait()
					third, err := svc.Get(t.Context(), crm, 0)
					require.NoError(t, err)
					require.Greater(t, third.Generation, second.Generation)
					require.NotEqual(t, first.Fingerprint, third.Fingerprint)
					require.Equal(t, thumbprint, s.proofWith(svc, api, third), "the key is the grant's")
					require.Zero(t, s.read().NextKey)
					s.unharmed()
				})
			})
		}
	}
}

// TestProofErrors.
func TestProofErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		svc, _ := s.start(s.params())
		request := token.ProofRequest{Method: "GET", URL: "https://api.example/"}
		_, err := svc.Prove(t.Context(), crm, request)
		require.ErrorIs(t, err, token.ErrNotFound)
		s.authorize(svc, 1)
		_, err = svc.Prove(t.Context(), crm, request)
		require.ErrorIs(t, err, token.ErrNotBound)

		s.connections.set(crm.ConnectionName(), bound(settings(2), dpop.ES256))
		got := s.authorize(svc, 2)
		_, err = svc.Prove(t.Context(), crm, request)
		require.NoError(t, err)
		request.Fingerprint = got.Fingerprint[1:] + "0"
		_, err = svc.Prove(t.Context(), crm, request)
		require.ErrorIs(t, err, token.ErrSuperseded)
		request.Fingerprint, request.URL = got.Fingerprint, "api.example"
		_, err = svc.Prove(t.Context(), crm, request)
		require.ErrorIs(t, err, dpop.ErrURL)
		_, err = svc.Deauthorize(t.Context(), crm, uid, 2, false)
		require.NoError(t, err)
		_, err = svc.Prove(t.Context(), crm, request)
		require.Equal(t, token.ReasonDeauthorized, reasonOf(t, err))
		require.Zero(t, s.read().Credential.Key, "it is forgotten with the rest")
	})
}

// TestBindingDeclined: the server says Bearer although it was asked for more. That is what the token is.
func TestBindingDeclined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		s.auth.SetQuirks(authserver.Quirks{TokenType: "bearer"})
		s.connections.set(crm.ConnectionName(), bound(settings(1), dpop.ES256))
		svc, _ := s.start(s.params())
		got := s.authorize(svc, 1)
		require.Equal(t, "Bearer", got.TokenType)
		require.Equal(t, "Bearer "+got.Credential.AccessToken.Reveal(), got.Credential.HTTP.Headers[0].Value.Reveal())
		_, ok := got.Bound()
		require.False(t, ok)
		require.True(t, got.BindingDeclined())
		_, err := svc.Prove(t.Context(), crm, token.ProofRequest{Method: "GET", URL: "https://api.example/"})
		require.ErrorIs(t, err, token.ErrNotBound)
	})
}

// TestKeyFollowsAlgorithm where no refresh token can be bound to it; the generation at hand keeps its own until the next is there.
func TestKeyFollowsAlgorithm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		api := possession.New(possession.Policy{}, nil)
		s.connections.set(crm.ConnectionName(), bound(settings(1), dpop.ES256))
		svc, stop := s.start(s.params())
		first := s.authorize(svc, 1)
		was := s.proofWith(svc, api, first)

		s.auth.Inject(authserver.Fault{Kind: authserver.FaultStatus, Status: 500, Count: 1})
		s.connections.set(crm.ConnectionName(), bound(settings(2), dpop.ES384))
		between := s.authorize(svc, 2)
		require.EqualValues(t, 1, between.Generation)
		require.Equal(t, was, s.proofWith(svc, api, between))
		next := s.read().NextKey.Key
		require.Equal(t, dpop.ES384, next.Algorithm)
		stop()

		svc, _ = s.start(s.params())
		time.Sleep(time.Minute)
		synctest.Wait()
		second, err := svc.Get(t.Context(), crm, 0)
		require.NoError(t, err)
		require.EqualValues(t, 2, second.Generation)
		require.Equal(t, next.Thumbprint, s.proofWith(svc, api, second), "the key that was made durable before the first request")
		require.NotEqual(t, was, next.Thumbprint)
	})

	synctest.Test(t, func(t *testing.T) { // a grant's key stays
		s := newSuite(t, openSQLite(t), time.Hour)
		with := s.refreshing(1, singleUse)
		s.connections.set(crm.ConnectionName(), bound(with, dpop.ES256))
		svc, _ := s.start(s.params())
		first := s.authorize(svc, 1)
		with.Revision = 2
		s.connections.set(crm.ConnectionName(), bound(with, dpop.PS256))
		second := s.authorize(svc, 2)
		require.EqualValues(t, 2, second.Generation)
		require.Equal(t, first.Credential.Key, second.Credential.Key)
		s.connections.set(crm.ConnectionName(), bound(s.refreshing(3, singleUse), dpop.PS256))
		third := s.authorize(svc, 3)
		require.Equal(t, dpop.PS256, third.Credential.Key.Algorithm, "another grant has another one")
		s.unharmed()
	})
}

// TestNonceIsFetchedFirst where a refusal could cost the refresh token: nothing is presented to a server whose nonce is not known.
func TestNonceIsFetchedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		s.auth.SetDPoPPolicy(authserver.DPoPPolicy{Required: true, Proof: possession.Policy{Nonce: 3 * time.Minute}})
		s.connections.set(crm.ConnectionName(), bound(s.refreshing(1, singleUse), dpop.ES256))
		svc, _ := s.start(s.params())
		s.authorize(svc, 1)
		for range 3 {
			time.Sleep(45 * time.Minute)
			_, err := svc.Refresh(t.Context(), crm)
			require.NoError(t, err)
		}
		rotations, err := svc.Rotations(t.Context(), crm, "", 10)
		require.NoError(t, err)
		for _, r := range rotations {
			require.Equal(t, token.RotationCommitted, r.State)
			require.Zero(t, r.Challenges)
			require.NotEmpty(t, r.KeyThumbprint)
		}
		require.Equal(t, len(rotations), s.redemptions())
		require.Equal(t, s.auth.Stats().Refused[possession.ErrorUseNonce], s.auth.Stats().Requests-s.redemptions(), "by requests that redeemed nothing")
		s.unharmed()
	})
}

// TestFailingPreparationRedeemsNothing: the server is in no state to be trusted with a single-use refresh token.
func TestFailingPreparationRedeemsNothing(t *testing.T) {
	for name, fault := range map[string]authserver.Fault{
		"reset": {Kind: authserver.FaultResetBeforeProcessing, Count: 1},
		"503":   {Kind: authserver.FaultStatus, Status: 503, Count: 1},
		"429":   {Kind: authserver.FaultStatus, Status: 429, RetryAfter: 10 * time.Second, Count: 1},
		"hangs": {Kind: authserver.FaultDelay, Delay: time.Hour, Count: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSuite(t, openSQLite(t), time.Hour)
				s.overPipes()
				s.connections.set(crm.ConnectionName(), bound(s.refreshing(1, singleUse), dpop.ES256))
				s.auth.Inject(fault)
				svc, stop := s.start(s.params())
				defer stop()
				_, err := svc.Authorize(t.Context(), crm, uid, 1)
				require.NoError(t, err)
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				got, err := svc.Get(t.Context(), crm, 0)
				require.NoError(t, err)
				require.EqualValues(t, 1, got.Generation)
				rotations, err := svc.Rotations(t.Context(), crm, "", 10)
				require.NoError(t, err)
				require.Equal(t, token.RotationFailed, rotations[len(rotations)-1].State)
				require.False(t, rotations[len(rotations)-1].RequestSent)
				require.Equal(t, 1, s.redemptions())
				s.unharmed()
			})
		})
	}
}

// TestStoredAnswerIsReadWithItsKey although the settings want another by now.
func TestStoredAnswerIsReadWithItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		s.connections.set(crm.ConnectionName(), bound(settings(1), dpop.ES256))
		dying := newDyingStore(store.New(s.db, s.sealer))
		p := s.params()
		p.Store, p.Exchanger = dying, stumbling{p.Exchanger}
		first, stop := s.start(p)
		dying.left.Store(4) // authorize, claim, key, answer
		_, err := first.Authorize(t.Context(), crm, uid, 1)
		require.NoError(t, err)
		synctest.Wait()
		stop()
		key := s.read().NextKey.Key
		require.False(t, key.IsZero())

		s.connections.set(crm.ConnectionName(), bound(settings(1), dpop.ES384))
		second, _ := s.start(s.params())
		synctest.Wait()
		got, err := second.Get(t.Context(), crm, 0)
		require.NoError(t, err)
		require.EqualValues(t, 1, got.Generation)
		require.Equal(t, key.Thumbprint, s.proofWith(second, possession.New(possession.Policy{}, nil), got))
		require.Equal(t, 1, s.auth.Stats().Requests)
	})
}

// TestTrialProves with a key that is thrown away.
func TestTrialProves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSuite(t, openSQLite(t), time.Hour)
		s.auth.SetDPoPPolicy(authserver.DPoPPolicy{Required: true, Proof: possession.Policy{Nonce: time.Minute}})
		svc, _ := s.start(s.params())
		trial, err := svc.Try(t.Context(), bound(settings(1), dpop.PS256))
		require.NoError(t, err)
		require.Nil(t, trial.Failure)
		require.Equal(t, "DPoP", trial.Issued.TokenType)
		trial, err = svc.Try(t.Context(), settings(1))
		require.NoError(t, err)
		require.Equal(t, token.ClassConfiguration, trial.Failure.Class)
		require.Contains(t, trial.Failure.Message, possession.ErrorInvalidProof)
	})
}

// TestCrashAfterChallenge kills the process when it knows that nothing was redeemed, before it sends the request again: even a single-use refresh
// token is redeemed by the next one.
func TestCrashAfterChallenge(t *testing.T) {
	for _, engine := range []sqldb.Engine{sqldb.SQLite, sqldb.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			s := newSuite(t, nil, time.Hour)
			server := httptest.NewServer(s.auth.Handler())
			defer server.Close()
			s.transport = server.Client().Transport
			s.auth.SetIssuer(server.URL)
			plan := crashPlan{
				Engine: engine, Endpoint: server.URL + authserver.PathToken, Provider: singleUse.provider, DPoP: dpop.ES256,
				Step: stepNonce, Done: true, DSN: sqltest.SQLitePath(t),
			}
			if engine == sqldb.Postgres {
				plan.DSN = sqltest.PostgresDSN(t)
			}
			var err error
			plan.MasterKey, err = seal.GenerateMasterKey()
			require.NoError(t, err)
			s.sealer, err = seal.ParseMasterKey(plan.MasterKey)
			require.NoError(t, err)
			plan.Seed = s.refreshing(1, singleUse).OAuth2.RefreshToken.Reveal()

			first := s.beforeCrash(&plan)
			s.auth.Inject(authserver.Fault{Kind: authserver.FaultNonceChallenge, Redeeming: true, Count: 1})
			s.crash(&plan)
			after, rotations := s.afterCrash(&plan)
			require.EqualValues(t, 2, after.Generation)
			require.Equal(t, token.RotationCommitted, rotations[0].State)
			require.Equal(t, token.TriggerRecovery, rotations[0].Trigger)
			require.Equal(t, token.RotationAbandoned, rotations[1].State)
			require.Equal(t, 1, rotations[1].Challenges)
			require.Equal(t, first.Credential.Key.Thumbprint, rotations[0].KeyThumbprint)
			require.Equal(t, 3, s.redemptions())
			s.unharmed()
		})
	}
}
