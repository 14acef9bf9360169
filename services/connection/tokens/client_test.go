package tokens_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/connectiontest"
	"github.com/freshet-io/freshet/services/connection/tokens"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script is a token service that sends what it is told and then ends its stream.
type script struct {
	tokenv1.UnimplementedTokenInternalServiceServer
	messages []*tokenv1.WatchTokenStatesResponse
	end      error
}

func (s *script) WatchTokenStates(
	_ *tokenv1.WatchTokenStatesRequest, out grpc.ServerStreamingServer[tokenv1.WatchTokenStatesResponse],
) error {
	for _, m := range s.messages {
		if err := out.Send(m); err != nil {
			return err
		}
	}
	return s.end
}

func client(t *testing.T, service tokenv1.TokenInternalServiceServer) *tokens.Client {
	t.Helper()
	server := connectiontest.Serve(t, func(r grpc.ServiceRegistrar) { tokenv1.RegisterTokenInternalServiceServer(r, service) })
	return tokens.New(server.As(t, authn.ServiceConnection))
}

func status(s *tokenv1.TokenStatus) *tokenv1.WatchTokenStatesResponse {
	return &tokenv1.WatchTokenStatesResponse{Event: &tokenv1.WatchTokenStatesResponse_Status{Status: s}}
}

func TestWatchStates(t *testing.T) {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	c := client(t, &script{messages: []*tokenv1.WatchTokenStatesResponse{
		status(&tokenv1.TokenStatus{
			Name: "projects/p/connections/c/token", ConnectionUid: "u", Revision: 3, Generation: 4, State: tokenv1.Token_FAILED_CONNECTIVITY,
			StateReason: errorsv1.Reason_NOT_SENT, StateMessage: "refused", StateTime: timestamppb.New(noon),
		}),
		status(&tokenv1.TokenStatus{
			Name: "projects/p/connections/c/token", ConnectionUid: "u", Revision: 3, Generation: 5, State: tokenv1.Token_AUTHORIZED,
			StateTime: timestamppb.New(noon), WantedRevision: 4, WantedReason: errorsv1.Reason_CLIENT_BROKEN, WantedMessage: "invalid_client",
		}),
		status(&tokenv1.TokenStatus{Name: "projects/p/connections/c/grants/g/token", State: tokenv1.Token_AUTHORIZED}),
		status(&tokenv1.TokenStatus{Name: "projects/p/connections/c/token", State: 99}), // newer than this build
		{Event: &tokenv1.WatchTokenStatesResponse_Heartbeat{}},
		{Event: &tokenv1.WatchTokenStatesResponse_Synced{}},
		status(&tokenv1.TokenStatus{Name: "projects/p/connections/c/token", ConnectionUid: "u", Deleted: true}),
	}})
	var got []connection.TokenReport
	err := c.WatchStates(t.Context(), time.Time{}, func(r connection.TokenReport) error {
		got = append(got, r)
		return nil
	})
	require.ErrorContains(t, err, "ended the stream")
	name := connection.Name{Project: "p", ID: "c"}
	require.Equal(t, []connection.TokenReport{
		{Status: connection.TokenStatus{
			Name: name, UID: "u", Revision: 3, Generation: 4, State: connection.StateFailedConnectivity, Reason: "NOT_SENT", Message: "refused",
			StateTime: noon,
		}},
		{Status: connection.TokenStatus{
			Name: name, UID: "u", Revision: 3, Generation: 5, State: connection.StateAuthorized, StateTime: noon,
			Wanted: connection.Wanted{Revision: 4, Reason: "CLIENT_BROKEN", Message: "invalid_client"},
		}},
		{Status: connection.TokenStatus{Name: name, Grant: "g", State: connection.StateAuthorized}},
		{Synced: true},
		{Status: connection.TokenStatus{Name: name, UID: "u", Deleted: true}},
	}, got)

	enough := errors.New("enough")
	require.Equal(t, enough, c.WatchStates(t.Context(), time.Time{}, func(connection.TokenReport) error { return enough }))
}

func TestWatchStatesOfALeavingService(t *testing.T) {
	heard := func(connection.TokenReport) error { return nil }
	leaving := rpcerr.New(codes.Unavailable, errorsv1.Reason_SHUTTING_DOWN, "leaving")
	require.ErrorIs(t, client(t, &script{end: leaving}).WatchStates(t.Context(), time.Time{}, heard), connection.ErrTokensUnavailable)
	broken := rpcerr.New(codes.Internal, errorsv1.Reason_INTERNAL_FAULT, "broken")
	require.NotErrorIs(t, client(t, &script{end: broken}).WatchStates(t.Context(), time.Time{}, heard), connection.ErrTokensUnavailable)
}

func TestUnknownTokensAreGone(t *testing.T) {
	service := &connectiontest.TokenService{}
	c := client(t, service)
	ref := connection.TokenRef{Token: "projects/p/connections/c/token", UID: "u", Revision: 1}
	require.NoError(t, c.Deauthorize(t.Context(), ref))
	require.NoError(t, c.Delete(t.Context(), ref))

	service.Refuse(ref.Token)
	_, err := c.Authorize(t.Context(), ref)
	for _, call := range []error{err, c.Deauthorize(t.Context(), ref), c.Delete(t.Context(), ref)} {
		require.ErrorContains(t, call, "projects/p/connections/c/token revision 1")
	}
}
