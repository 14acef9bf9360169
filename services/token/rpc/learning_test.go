package rpc_test

import (
	"errors"
	"io"
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
)

// learn returns the steps and the lesson of one call.
func (w *world) learn(r *tokenv1.LearnProviderRequest) (steps []*tokenv1.LearningStep, lesson *tokenv1.Lesson, err error) {
	stream, err := w.learning.LearnProvider(w.t.Context(), r)
	require.NoError(w.t, err)
	for {
		message, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return steps, lesson, nil
		case err != nil:
			return steps, lesson, err
		case message.GetLesson() != nil:
			lesson = message.GetLesson()
		default:
			steps = append(steps, message.GetStep())
		}
	}
}

func TestLearnProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Hour)
		require.NoError(t, w.auth.SetRefreshPolicy(authserver.RefreshPolicy{Rotation: authserver.SingleUse}))
		refresh, err := w.auth.IssueRefreshToken("crm", "ada", "read")
		require.NoError(t, err)
		request := &tokenv1.LearnProviderRequest{ValidateOnly: true, Oauth2: &connectionv1.OAuth2Authorization{
			GrantType: connectionv1.OAuth2Authorization_REFRESH_TOKEN, TokenEndpoint: "https://as.example" + authserver.PathToken,
			ClientId: "crm", ClientSecret: clientSecret, RefreshToken: refresh,
		}}
		steps, lesson, err := w.learn(request)
		require.NoError(t, err)
		require.Nil(t, lesson)
		require.NotEmpty(t, steps)
		require.Zero(t, w.auth.Stats().Requests, "nothing is sent before it is wanted")

		request.ValidateOnly = false
		steps, lesson, err = w.learn(request)
		require.NoError(t, err)
		require.Len(t, steps, w.auth.Stats().Requests)
		require.Equal(t, tokenv1.Lesson_ALWAYS, lesson.GetRotation())
		require.Equal(t, tokenv1.Lesson_ACCEPTED, lesson.GetEarlyRefresh())
		require.Equal(t, connectionv1.ProviderBehavior_SINGLE_USE, lesson.GetBehavior().GetRotationRecovery())
		require.Equal(t, time.Hour, lesson.GetLifetime().AsDuration())
		require.Equal(t, connectionv1.OAuth2Authorization_CLIENT_SECRET_BASIC, lesson.GetClientAuthentications()[0])
		for _, secret := range w.auth.Secrets() {
			require.NotContains(t, lesson.String(), secret)
		}
	})
}

func TestLearnProviderRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Hour)
		for says, test := range map[string]struct {
			change func(*tokenv1.LearnProviderRequest)
			reason errorsv1.Reason
		}{
			"oauth2: ": {func(r *tokenv1.LearnProviderRequest) { r.Oauth2 = nil }, errorsv1.Reason_INVALID_FIELD},
			"must be REFRESH_TOKEN": {func(r *tokenv1.LearnProviderRequest) {
				r.Oauth2.GrantType = connectionv1.OAuth2Authorization_CLIENT_CREDENTIALS
			}, errorsv1.Reason_INVALID_FIELD},
			"oauth2.refresh_token":           {func(r *tokenv1.LearnProviderRequest) { r.Oauth2.RefreshToken = "" }, errorsv1.Reason_INVALID_FIELD},
			"watch":                          {func(r *tokenv1.LearnProviderRequest) { r.Watch = durationpb.New(2 * time.Hour) }, errorsv1.Reason_INVALID_FIELD},
			"resource_url: must be https":    {func(r *tokenv1.LearnProviderRequest) { r.ResourceUrl = "http://api.example" }, errorsv1.Reason_EGRESS_DENIED},
			"oauth2.token_endpoint: must be": {func(r *tokenv1.LearnProviderRequest) { r.Oauth2.TokenEndpoint = "http://as.example" }, errorsv1.Reason_EGRESS_DENIED},
		} {
			request := &tokenv1.LearnProviderRequest{Oauth2: &connectionv1.OAuth2Authorization{
				GrantType: connectionv1.OAuth2Authorization_REFRESH_TOKEN, TokenEndpoint: "https://as.example" + authserver.PathToken,
				ClientId: "crm", ClientSecret: clientSecret, RefreshToken: "r",
			}}
			test.change(request)
			_, _, err := w.learn(request)
			requireStatus(t, err, codes.InvalidArgument, test.reason)
			require.ErrorContains(t, err, says)
		}
		require.Zero(t, w.auth.Stats().Requests)
	})
}

func TestEndSimulations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Hour)
		first := w.authorize(crmName)
		_, err := w.tokens.SimulateExpiry(t.Context(), &tokenv1.SimulateExpiryRequest{Name: crmName, ExpireIn: durationpb.New(time.Minute)})
		require.NoError(t, err)
		got, err := w.rehearsals.EndSimulations(t.Context(), &tokenv1.EndSimulationsRequest{Name: crmName})
		require.NoError(t, err)
		require.Equal(t, first.GetExpireTime().AsTime(), got.GetToken().GetExpireTime().AsTime())
		_, err = w.rehearsals.EndSimulations(t.Context(), &tokenv1.EndSimulationsRequest{Name: "projects/default/connections/none/token"})
		requireStatus(t, err, codes.NotFound, errorsv1.Reason_TOKEN_NOT_FOUND)
	})
}
