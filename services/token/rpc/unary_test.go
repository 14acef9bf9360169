package rpc_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
	"github.com/freshet-io/freshet/services/internal/seal"
)

func TestGetToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Hour)
		_, err := w.tokens.GetToken(t.Context(), &tokenv1.GetTokenRequest{Name: crmName})
		requireStatus(t, err, codes.NotFound, errorsv1.Reason_TOKEN_NOT_FOUND)
		_, err = w.tokens.GetToken(t.Context(), &tokenv1.GetTokenRequest{Name: "projects/default/connections/crm"})
		requireStatus(t, err, codes.InvalidArgument, errorsv1.Reason_INVALID_FIELD)

		start := time.Now()
		got := w.authorize(crmName)
		require.Equal(t, crmName, got.GetName())
		require.EqualValues(t, 1, got.GetGeneration())
		require.Equal(t, tokenv1.Token_AUTHORIZED, got.GetState())
		require.Equal(t, errorsv1.Reason_REASON_UNSPECIFIED, got.GetStateReason())
		require.Equal(t, "Bearer", got.GetTokenType())
		require.Equal(t, []string{"read"}, got.GetScopes())
		require.Equal(t, start.UTC(), got.GetIssueTime().AsTime())
		require.Equal(t, start.Add(time.Hour).UTC(), got.GetExpireTime().AsTime())
		require.Equal(t, tokenv1.Token_EXPIRES_IN, got.GetExpirySource())
		require.Contains(t, w.auth.Secrets(), got.GetAccessToken())
		require.Equal(t, seal.NewSecret(got.GetAccessToken()).Fingerprint(), got.GetFingerprint())
		require.Regexp(t, "^00-[0-9a-f]{32}-[0-9a-f]{16}-01$", got.GetTraceparent())
		lead := got.GetExpireTime().AsTime().Sub(got.GetNextRefreshTime().AsTime())
		require.True(t, lead > 45*time.Second && lead <= time.Minute, "refresh_before is 1 min: %v", lead)
		require.Equal(t, tokenv1.RefreshHealth_HEALTHY, got.GetRefreshHealth().GetStatus())
		require.Equal(t, []*tokenv1.HttpCredentialField{
			{Key: "Authorization", Value: "Bearer " + got.GetAccessToken()}, {Key: "X-Tenant", Value: "t-1"},
		}, plain(got.GetCredential().GetHeaders()))
		require.Equal(t, []*tokenv1.HttpCredentialField{{Key: "v", Value: "2"}}, plain(got.GetCredential().GetQuery()))
		require.Equal(t, []*tokenv1.HttpCredentialField{{Key: "b", Value: "3"}}, plain(got.GetCredential().GetBody()))
	})
}

// plain rebuilds messages without what the decoder keeps in them.
func plain(list []*tokenv1.HttpCredentialField) []*tokenv1.HttpCredentialField {
	out := make([]*tokenv1.HttpCredentialField, len(list))
	for i, f := range list {
		out[i] = &tokenv1.HttpCredentialField{Key: f.GetKey(), Value: f.GetValue()}
	}
	return out
}

// TestReasons are what callers see of each way in which there is no token.
func TestReasons(t *testing.T) {
	for _, test := range []struct {
		name   string
		fault  authserver.Fault
		err    error
		code   codes.Code
		reason errorsv1.Reason
		state  tokenv1.Token_State
	}{
		{"dead grant", authserver.Fault{Kind: authserver.FaultOAuthError, Code: "invalid_grant"}, nil, codes.FailedPrecondition, errorsv1.Reason_GRANT_DEAD, tokenv1.Token_DEAUTHORIZED},
		{"broken client", authserver.Fault{Kind: authserver.FaultOAuthError, Code: "invalid_client"}, nil, codes.FailedPrecondition, errorsv1.Reason_CLIENT_BROKEN, tokenv1.Token_DEAUTHORIZED},
		{"configuration", authserver.Fault{Kind: authserver.FaultHTML}, nil, codes.FailedPrecondition, errorsv1.Reason_CONFIGURATION, tokenv1.Token_DEAUTHORIZED},
		{"throttled", authserver.Fault{Kind: authserver.FaultStatus, Status: http.StatusTooManyRequests, RetryAfter: time.Hour}, nil, codes.Unavailable, errorsv1.Reason_THROTTLED, tokenv1.Token_FAILED_CONNECTIVITY},
		{"ambiguous", authserver.Fault{Kind: authserver.FaultStatus}, nil, codes.Unavailable, errorsv1.Reason_AMBIGUOUS, tokenv1.Token_FAILED_CONNECTIVITY},
		{"secret", authserver.Fault{}, rpcerr.New(codes.FailedPrecondition, errorsv1.Reason_SECRET_UNREADABLE, "x"), codes.FailedPrecondition, errorsv1.Reason_SECRET_UNREADABLE, tokenv1.Token_FAILED_CONNECTIVITY},
		{"no connection", authserver.Fault{}, rpcerr.New(codes.NotFound, errorsv1.Reason_CONNECTION_NOT_FOUND, "x"), codes.NotFound, errorsv1.Reason_CONNECTION_NOT_FOUND, tokenv1.Token_FAILED_CONNECTIVITY},
		{"service down", authserver.Fault{}, rpcerr.New(codes.Unavailable, errorsv1.Reason_STORE_UNAVAILABLE, "x"), codes.Unavailable, errorsv1.Reason_SERVICE_UNAVAILABLE, tokenv1.Token_FAILED_CONNECTIVITY},
		{"internal", authserver.Fault{}, rpcerr.New(codes.Internal, errorsv1.Reason_INTERNAL_FAULT, "x"), codes.Unavailable, errorsv1.Reason_INTERNAL_FAULT, tokenv1.Token_FAILED_CONNECTIVITY},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, time.Hour)
				w.connections.fail(test.err)
				if test.fault.Kind != "" {
					w.auth.Inject(test.fault)
				}
				_, err := w.internal.AuthorizeToken(t.Context(), &tokenv1.AuthorizeTokenRequest{Name: crmName, ConnectionUid: uid, Revision: 1})
				require.NoError(t, err)
				_, err = w.tokens.GetToken(t.Context(), &tokenv1.GetTokenRequest{Name: crmName})
				requireStatus(t, err, test.code, test.reason)
				_, err = w.tokens.RefreshToken(t.Context(), &tokenv1.RefreshTokenRequest{Name: crmName})
				requireStatus(t, err, test.code, test.reason)

				stream, err := w.tokens.WatchToken(t.Context(), &tokenv1.WatchTokenRequest{Name: crmName})
				require.NoError(t, err)
				got, err := stream.Recv()
				require.NoError(t, err, "a state, not an end")
				require.Equal(t, test.state, got.GetToken().GetState())
				require.Equal(t, test.reason, got.GetToken().GetStateReason())
				require.NotEmpty(t, got.GetToken().GetStateMessage())
				require.Equal(t, tokenv1.RefreshHealth_FAILING, got.GetToken().GetRefreshHealth().GetStatus())
				require.NotEqual(t, tokenv1.FailureClass_FAILURE_CLASS_UNSPECIFIED, got.GetToken().GetRefreshHealth().GetLastFailureClass())
				require.Empty(t, got.GetToken().GetCredential().GetHeaders())
			})
		})
	}
}

func TestRefreshAndReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Hour)
		first := w.authorize(crmName)
		second, err := w.tokens.RefreshToken(t.Context(), &tokenv1.RefreshTokenRequest{Name: crmName})
		require.NoError(t, err)
		require.EqualValues(t, 2, second.GetToken().GetGeneration())
		report, err := w.tokens.ReportRejected(t.Context(), &tokenv1.ReportRejectedRequest{Name: crmName, Fingerprint: first.GetFingerprint()})
		require.NoError(t, err)
		require.False(t, report.GetCurrent())
		require.EqualValues(t, 2, report.GetGeneration())
		report, err = w.tokens.ReportRejected(t.Context(), &tokenv1.ReportRejectedRequest{Name: crmName, Fingerprint: second.GetToken().GetFingerprint()})
		require.NoError(t, err)
		require.True(t, report.GetCurrent())
		_, err = w.tokens.ReportRejected(t.Context(), &tokenv1.ReportRejectedRequest{Name: crmName, Fingerprint: "x"})
		requireStatus(t, err, codes.InvalidArgument, errorsv1.Reason_INVALID_FIELD)
		synctest.Wait()
		third, err := w.tokens.GetToken(t.Context(), &tokenv1.GetTokenRequest{Name: crmName, MinTtl: durationpb.New(time.Minute)})
		require.NoError(t, err)
		require.EqualValues(t, 3, third.GetToken().GetGeneration())
		for _, name := range []string{"projects/p/connections/none/token", "projects/p/connections/c/grants/g/token"} {
			_, err = w.tokens.RefreshToken(t.Context(), &tokenv1.RefreshTokenRequest{Name: name})
			requireStatus(t, err, codes.NotFound, errorsv1.Reason_TOKEN_NOT_FOUND)
			_, err = w.tokens.ReportRejected(t.Context(), &tokenv1.ReportRejectedRequest{Name: name, Fingerprint: first.GetFingerprint()})
			requireStatus(t, err, codes.NotFound, errorsv1.Reason_TOKEN_NOT_FOUND)
			_, err = w.tokens.SimulateExpiry(t.Context(), &tokenv1.SimulateExpiryRequest{Name: name})
			requireStatus(t, err, codes.NotFound, errorsv1.Reason_TOKEN_NOT_FOUND)
			_, err = w.tokens.ListRotations(t.Context(), &tokenv1.ListRotationsRequest{Parent: name})
			requireStatus(t, err, codes.NotFound, errorsv1.Reason_TOKEN_NOT_FOUND)
		}
	})
}

func TestSimulateExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Hour)
		w.authorize(crmName)
		w.auth.Inject(authserver.Fault{Kind: authserver.FaultDelay, Delay: time.Second}) // the refresh that follows at once
		got, err := w.tokens.SimulateExpiry(t.Context(), &tokenv1.SimulateExpiryRequest{Name: crmName})
		require.NoError(t, err)
		require.Equal(t, tokenv1.Token_FAILED_CONNECTIVITY, got.GetToken().GetState())
		require.Equal(t, errorsv1.Reason_TOKEN_EXPIRED, got.GetToken().GetStateReason())
		require.Equal(t, tokenv1.Token_SIMULATED, got.GetToken().GetExpirySource())
		require.Empty(t, got.GetToken().GetAccessToken())
		_, err = w.tokens.SimulateExpiry(t.Context(), &tokenv1.SimulateExpiryRequest{Name: crmName})
		requireStatus(t, err, codes.FailedPrecondition, errorsv1.Reason_STATE_CONFLICT)
	})
}

func TestListRotations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Hour)
		w.authorize(crmName)
		time.Sleep(time.Minute)
		w.auth.Inject(authserver.Fault{Kind: authserver.FaultOAuthError, Code: "temporarily_unavailable", Description: "tea time", Status: 400, Count: 1})
		_, err := w.tokens.RefreshToken(t.Context(), &tokenv1.RefreshTokenRequest{Name: crmName})
		requireStatus(t, err, codes.Unavailable, errorsv1.Reason_AMBIGUOUS)
		_, err = w.tokens.RefreshToken(t.Context(), &tokenv1.RefreshTokenRequest{Name: crmName})
		require.NoError(t, err)

		var all []*tokenv1.Rotation
		pageToken := ""
		for {
			page, err := w.tokens.ListRotations(t.Context(), &tokenv1.ListRotationsRequest{Parent: crmName, PageSize: 2, PageToken: pageToken})
			require.NoError(t, err)
			all = append(all, page.GetRotations()...)
			if pageToken = page.GetNextPageToken(); pageToken == "" {
				break
			}
			require.Len(t, page.GetRotations(), 2)
		}
		require.Len(t, all, 3)
		require.Equal(t, tokenv1.Rotation_COMMITTED, all[0].GetState())
		require.Equal(t, tokenv1.Rotation_CALLER, all[0].GetTrigger())
		require.EqualValues(t, 2, all[0].GetGeneration())
		require.Equal(t, 59*time.Minute, all[0].GetLeadTime().AsDuration())
		require.Len(t, all[0].GetTraceId(), 32)
		require.EqualValues(t, 200, all[0].GetHttpStatus())
		require.Equal(t, tokenv1.Rotation_FAILED, all[1].GetState())
		require.Equal(t, tokenv1.FailureClass_AMBIGUOUS, all[1].GetFailureClass())
		require.Contains(t, all[1].GetFailureMessage(), "temporarily_unavailable (tea time)")
		require.EqualValues(t, 400, all[1].GetHttpStatus())
		require.Equal(t, tokenv1.Rotation_AUTHORIZE, all[2].GetTrigger())
		require.Nil(t, all[2].GetLeadTime())
		require.Regexp(t, "^"+crmName+"/rotations/[0-9A-Z]{26}$", all[2].GetName())

		_, err = w.tokens.ListRotations(t.Context(), &tokenv1.ListRotationsRequest{Parent: crmName, PageToken: "x"})
		requireStatus(t, err, codes.InvalidArgument, errorsv1.Reason_INVALID_PAGE_TOKEN)
	})
}

func TestTryAuthorization(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Hour)
		got, err := w.internal.TryAuthorization(t.Context(), &tokenv1.TryAuthorizationRequest{Settings: oauthSettings("crm")})
		require.NoError(t, err)
		require.True(t, got.GetSent())
		require.EqualValues(t, 200, got.GetHttpStatus())
		require.Equal(t, errorsv1.Reason_REASON_UNSPECIFIED, got.GetReason())
		require.Equal(t, time.Hour, got.GetLifetime().AsDuration())
		require.Equal(t, tokenv1.Token_EXPIRES_IN, got.GetExpirySource())
		require.Equal(t, []string{"read"}, got.GetScopes())

		wrong := oauthSettings("crm")
		wrong.GetOauth2().ClientSecret = "wrong"
		got, err = w.internal.TryAuthorization(t.Context(), &tokenv1.TryAuthorizationRequest{Settings: wrong})
		require.NoError(t, err)
		require.Equal(t, tokenv1.FailureClass_CLIENT_BROKEN, got.GetFailureClass())
		require.Equal(t, errorsv1.Reason_CLIENT_BROKEN, got.GetReason())
		require.EqualValues(t, 401, got.GetHttpStatus())
		require.Contains(t, got.GetMessage(), "invalid_client")

		_, err = w.internal.TryAuthorization(t.Context(), &tokenv1.TryAuthorizationRequest{Settings: &connectionv1.AuthorizationSettings{
			Authorization: &connectionv1.AuthorizationSettings_ApiKey{ApiKey: &connectionv1.ApiKeyAuthorization{Name: "k", Value: "v"}},
		}})
		requireStatus(t, err, codes.InvalidArgument, errorsv1.Reason_INVALID_FIELD)
		_, err = w.internal.TryAuthorization(t.Context(), &tokenv1.TryAuthorizationRequest{Settings: &connectionv1.AuthorizationSettings{}})
		requireStatus(t, err, codes.InvalidArgument, errorsv1.Reason_INVALID_FIELD)
		_, err = w.tokens.GetToken(t.Context(), &tokenv1.GetTokenRequest{Name: crmName})
		requireStatus(t, err, codes.NotFound, errorsv1.Reason_TOKEN_NOT_FOUND)
	})
}

func TestManagement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Hour)
		w.authorize(crmName)
		status, err := w.internal.AuthorizeToken(t.Context(), &tokenv1.AuthorizeTokenRequest{Name: crmName, ConnectionUid: uid, Revision: 1})
		require.NoError(t, err)
		require.Equal(t, tokenv1.Token_AUTHORIZED, status.GetStatus().GetState())
		require.Equal(t, uid, status.GetStatus().GetConnectionUid())
		require.EqualValues(t, 1, status.GetStatus().GetRevision())
		require.EqualValues(t, 1, status.GetStatus().GetGeneration())
		ended, err := w.internal.DeauthorizeToken(t.Context(), &tokenv1.DeauthorizeTokenRequest{Name: crmName, ConnectionUid: uid, Revision: 1})
		require.NoError(t, err)
		require.Equal(t, tokenv1.Token_DEAUTHORIZED, ended.GetStatus().GetState())
		_, err = w.tokens.GetToken(t.Context(), &tokenv1.GetTokenRequest{Name: crmName})
		requireStatus(t, err, codes.FailedPrecondition, errorsv1.Reason_DEAUTHORIZED)
		for range 2 {
			_, err = w.internal.DeleteToken(t.Context(), &tokenv1.DeleteTokenRequest{Name: crmName, ConnectionUid: uid})
			require.NoError(t, err)
		}
		_, err = w.tokens.GetToken(t.Context(), &tokenv1.GetTokenRequest{Name: crmName})
		requireStatus(t, err, codes.NotFound, errorsv1.Reason_TOKEN_NOT_FOUND)
		_, err = w.internal.AuthorizeToken(t.Context(), &tokenv1.AuthorizeTokenRequest{Name: crmName})
		requireStatus(t, err, codes.InvalidArgument, errorsv1.Reason_INVALID_FIELD)
	})
}
