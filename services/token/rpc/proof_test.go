package rpc_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/demo/possession"
)

func TestCreateDpopProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Hour)
		crm := w.connections.settings["projects/default/connections/crm"].GetOauth2()
		crm.Dpop = &connectionv1.DpopSettings{Algorithm: connectionv1.DpopSettings_ES384}
		got := w.authorize(crmName)
		require.Equal(t, "DPoP", got.GetTokenType())
		require.NotEmpty(t, got.GetDpop().GetJwkThumbprint())
		require.False(t, got.GetDpopDeclined())
		require.Equal(t, "DPoP "+got.GetAccessToken(), got.GetCredential().GetHeaders()[0].GetValue())

		request := &tokenv1.CreateDpopProofRequest{
			Name: crmName, HttpMethod: http.MethodDelete, Url: "https://api.example/orders/7?x=1", Fingerprint: got.GetFingerprint(),
		}
		api := possession.New(possession.Policy{Nonce: time.Hour}, nil)
		check := func() (string, *possession.Refusal) {
			answer, err := w.proofs.CreateDpopProof(t.Context(), request)
			require.NoError(t, err)
			require.Equal(t, got.GetFingerprint(), answer.GetFingerprint())
			require.Equal(t, got.GetGeneration(), answer.GetGeneration())
			r := httptest.NewRequest(http.MethodDelete, request.GetUrl(), nil)
			r.Header.Set("DPoP", answer.GetProof())
			return api.Check(r, request.GetUrl(), got.GetAccessToken())
		}
		_, refusal := check()
		require.Equal(t, possession.ErrorUseNonce, refusal.Code)
		request.Nonce = api.Nonce()
		thumbprint, refusal := check()
		require.Nil(t, refusal)
		require.Equal(t, got.GetDpop().GetJwkThumbprint(), thumbprint)
	})
}

func TestCreateDpopProofErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Hour)
		request := &tokenv1.CreateDpopProofRequest{Name: crmName, HttpMethod: "GET", Url: "https://api.example/"}
		refused := func(code codes.Code, reason errorsv1.Reason) {
			t.Helper()
			_, err := w.proofs.CreateDpopProof(t.Context(), request)
			requireStatus(t, err, code, reason)
		}
		refused(codes.NotFound, errorsv1.Reason_TOKEN_NOT_FOUND)
		w.auth.SetQuirks(authserver.Quirks{TokenType: "Bearer"})
		w.connections.settings["projects/default/connections/crm"].GetOauth2().Dpop = &connectionv1.DpopSettings{}
		got := w.authorize(crmName)
		require.True(t, got.GetDpopDeclined())
		require.Nil(t, got.GetDpop())
		refused(codes.FailedPrecondition, errorsv1.Reason_DPOP_NOT_BOUND)
		request.Fingerprint = strings.Repeat("0", 32)
		refused(codes.FailedPrecondition, errorsv1.Reason_TOKEN_SUPERSEDED)

		w.auth.SetQuirks(authserver.Quirks{})
		bound, err := w.tokens.RefreshToken(t.Context(), &tokenv1.RefreshTokenRequest{Name: crmName})
		require.NoError(t, err)
		request.Fingerprint = bound.GetToken().GetFingerprint()
		for _, spoil := range []func(){
			func() { request.Url = "/orders" },
			func() { request.Url = "" },
			func() { request.Url, request.Nonce = "https://api.example/", `a"b` },
			func() { request.Nonce, request.HttpMethod = "", "GE T" },
			func() { request.HttpMethod, request.Fingerprint = "GET", "x" },
			func() { request.Fingerprint, request.Name = "", "projects/default/connections/crm" },
		} {
			spoil()
			refused(codes.InvalidArgument, errorsv1.Reason_INVALID_FIELD)
		}
		request.Name = crmName
		_, err = w.proofs.CreateDpopProof(t.Context(), request)
		require.NoError(t, err)
	})
}

// TestChallengedReason is what callers see of a server that wants one nonce after the other.
func TestChallengedReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Hour)
		w.connections.settings["projects/default/connections/crm"].GetOauth2().Dpop = &connectionv1.DpopSettings{}
		w.auth.Inject(authserver.Fault{Kind: authserver.FaultNonceChallenge})
		_, err := w.internal.AuthorizeToken(t.Context(), &tokenv1.AuthorizeTokenRequest{Name: crmName, ConnectionUid: uid, Revision: 1})
		require.NoError(t, err)
		synctest.Wait()
		_, err = w.proofs.CreateDpopProof(t.Context(), &tokenv1.CreateDpopProofRequest{Name: crmName, HttpMethod: "GET", Url: "https://api.example/"})
		requireStatus(t, err, codes.Unavailable, errorsv1.Reason_CHALLENGED)
		list, err := w.tokens.ListRotations(t.Context(), &tokenv1.ListRotationsRequest{Parent: crmName})
		require.NoError(t, err)
		require.Equal(t, tokenv1.FailureClass_CHALLENGED, list.GetRotations()[0].GetFailureClass())
		require.EqualValues(t, 1, list.GetRotations()[0].GetDpopChallenges())
		w.auth.ClearFaults()
	})
}
