package token_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/token"
)

// revocations is a revocation endpoint before the suite's server.
type revocations struct {
	next http.RoundTripper

	mu      sync.Mutex
	status  int
	revoked []string
}

func (r *revocations) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Path != "/revoke" {
		return r.next.RoundTrip(request)
	}
	err := request.ParseForm()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revoked = append(r.revoked, request.PostFormValue("token"))
	w := httptest.NewRecorder()
	w.WriteHeader(r.status)
	return w.Result(), err
}

func (r *revocations) list() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.revoked...)
}

// answer changes what the endpoint answers.
func (r *revocations) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// revoking starts a service whose superseded tokens are revoked.
func revoking(t *testing.T) (*revocations, *token.Service, token.Token) {
	t.Helper()
	endpoint, s := revokingSuite(t)
	svc, _ := s.start(s.params())
	return endpoint, svc, s.authorize(svc, 1)
}

func revokingSuite(t *testing.T) (*revocations, *suite) {
	t.Helper()
	s := newSuite(t, openSQLite(t), time.Hour)
	endpoint := &revocations{next: s.transport, status: http.StatusOK}
	s.transport = endpoint
	with := settings(1)
	with.OAuth2.Policy.RevokeSuperseded, with.OAuth2.Provider.RevocationEndpoint = true, "https://as.example/revoke"
	s.connections.set(crm.ConnectionName(), with)
	return endpoint, s
}

// TestSupersededTokenIsRevoked: not before everyone who watches acknowledged the next one.
func TestSupersededTokenIsRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		endpoint, svc, first := revoking(t)
		quick, slow, leaving := svc.Watch(t.Context()), svc.Watch(t.Context()), svc.Watch(t.Context())
		for _, w := range []*token.Watcher{quick, slow, leaving} {
			defer w.Close(t.Context())
			require.NoError(t, w.Add(t.Context(), crm))
		}
		second, err := svc.Refresh(t.Context(), crm)
		require.NoError(t, err)
		quick.Acknowledge(crm, second.Generation)
		slow.Acknowledge(crm, first.Generation) // late, of the one before
		leaving.Remove(crm)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Empty(t, endpoint.list())
		late := svc.Watch(t.Context())
		defer late.Close(t.Context())
		require.NoError(t, late.Add(t.Context(), crm)) // has the new one, and is not waited for
		slow.Acknowledge(crm, second.Generation)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(t, []string{first.Credential.AccessToken.Reveal()}, endpoint.list())
	})
}

// TestRevocationIsNoReasonToFail: a server that refuses costs nothing but the old token's life.
func TestRevocationIsNoReasonToFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		endpoint, svc, _ := revoking(t)
		endpoint.answer(http.StatusServiceUnavailable)
		_, err := svc.Refresh(t.Context(), crm)
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.NotEmpty(t, endpoint.list())
		got, err := svc.Get(t.Context(), crm, 0)
		require.NoError(t, err)
		require.Nil(t, got.LastFailure)

		endpoint.answer(http.StatusOK)
		before := len(endpoint.list())
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		require.Len(t, endpoint.list(), before+1, "it is tried again, and then no more")
	})
}

// TestRefusedRevocation: a server that will have none of it is not asked for ever.
func TestRefusedRevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		endpoint, svc, _ := revoking(t)
		endpoint.answer(http.StatusNotFound)
		_, err := svc.Refresh(t.Context(), crm)
		require.NoError(t, err)
		time.Sleep(40 * time.Minute)
		synctest.Wait()
		require.Len(t, endpoint.list(), 5)
	})
}

// TestRevocationOutlivesItsProcess: what was waiting when the process ended is revoked by the next one, once its watchers have had the time to
// get the newest generation from it; unless the connection has become another server's.
func TestRevocationOutlivesItsProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		endpoint, s := revokingSuite(t)
		svc, stop := s.start(s.params())
		first := s.authorize(svc, 1)
		silent := svc.Watch(t.Context())
		require.NoError(t, silent.Add(t.Context(), crm))
		_, err := svc.Refresh(t.Context(), crm)
		require.NoError(t, err)
		time.Sleep(10 * time.Minute)
		stop()
		require.Empty(t, endpoint.list())

		svc, stop = s.start(s.params())
		time.Sleep(30 * time.Second)
		require.Empty(t, endpoint.list())
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		require.Equal(t, []string{first.Credential.AccessToken.Reveal()}, endpoint.list())

		silent = svc.Watch(t.Context())
		require.NoError(t, silent.Add(t.Context(), crm))
		_, err = svc.Refresh(t.Context(), crm)
		require.NoError(t, err)
		stop()
		moved := settings(1)
		moved.OAuth2.TokenEndpoint = "https://other.example/token"
		moved.OAuth2.Policy.RevokeSuperseded, moved.OAuth2.Provider.RevocationEndpoint = true, "https://other.example/revoke"
		s.connections.set(crm.ConnectionName(), moved)
		s.start(s.params())
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		require.Len(t, endpoint.list(), 1, "another server is not shown it")
	})
}

// TestExpiredTokenIsNotRevoked: a watcher that never answers keeps the old token until it expires, not longer.
func TestExpiredTokenIsNotRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		endpoint, svc, first := revoking(t)
		silent := svc.Watch(t.Context())
		require.NoError(t, silent.Add(t.Context(), crm))
		_, err := svc.Refresh(t.Context(), crm)
		require.NoError(t, err)
		time.Sleep(time.Until(first.ExpireTime) - 20*time.Minute)
		silent.Close(t.Context())
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Len(t, endpoint.list(), 1, "who is gone is not waited for")

		third, err := svc.Refresh(t.Context(), crm)
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		require.Len(t, endpoint.list(), 2)
		silent = svc.Watch(t.Context())
		defer silent.Close(t.Context())
		require.NoError(t, silent.Add(t.Context(), crm))
		_, err = svc.SimulateExpiry(t.Context(), crm, 0)
		require.NoError(t, err)
		synctest.Wait()
		silent.Acknowledge(crm, third.Generation+1)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Len(t, endpoint.list(), 2, "an expired one is left alone")
	})
}
