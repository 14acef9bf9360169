package announce_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/announce"
	"github.com/freshet-io/freshet/services/connection/connectiontest"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bus answers every call the same way and keeps what it was sent.
type bus struct {
	deliveryv1.UnimplementedDeliveryServiceServer
	response *deliveryv1.PutEventsResponse
	err      error
	got      *deliveryv1.PutEventsRequest
}

func (b *bus) PutEvents(_ context.Context, req *deliveryv1.PutEventsRequest) (*deliveryv1.PutEventsResponse, error) {
	b.got = req
	return b.response, b.err
}

func put(t *testing.T, b *bus) error {
	t.Helper()
	server := connectiontest.Serve(t, func(r grpc.ServiceRegistrar) { deliveryv1.RegisterDeliveryServiceServer(r, b) })
	return announce.New(server.As(t, authn.ServiceConnection)).Announce(t.Context(), connection.StateEvent{
		ID: "01JD8Z", Connection: connection.Name{Project: "p", ID: "crm"}, UID: "01JD8Y", State: connection.StateDeauthorized,
		Previous: connection.StateUpdating, Reason: "CLIENT_BROKEN", Message: `said "no"`,
		Time: time.Date(2026, 11, 22, 12, 0, 0, 123456000, time.UTC),
	})
}

// TestForm holds the form of an event, which is public.
func TestForm(t *testing.T) {
	b := &bus{response: &deliveryv1.PutEventsResponse{Entries: []*deliveryv1.PutEventsResultEntry{{EventId: "e"}}}}
	require.NoError(t, put(t, b))
	require.Equal(t, "projects/p/buses/default", b.got.GetBus())
	require.Len(t, b.got.GetEntries(), 1)
	entry := b.got.GetEntries()[0]
	require.Equal(t, "freshet.connection", entry.GetSource())
	require.Equal(t, "Connection Deauthorized", entry.GetDetailType())
	require.Equal(t, []string{"projects/p/connections/crm"}, entry.GetResources())
	require.Equal(t, int64(1795348800), entry.GetTime().GetSeconds())
	require.JSONEq(t, `{
		"connection": "projects/p/connections/crm", "uid": "01JD8Y", "state": "DEAUTHORIZED", "previousState": "UPDATING",
		"stateReason": "CLIENT_BROKEN", "stateMessage": "said \"no\"", "time": "2026-11-22T12:00:00.123456Z", "eventId": "01JD8Z"
	}`, entry.GetDetail())
}

// TestOutcomes tells what will never be taken from what may be taken later.
func TestOutcomes(t *testing.T) {
	entry := func(code string) *deliveryv1.PutEventsResponse {
		return &deliveryv1.PutEventsResponse{Entries: []*deliveryv1.PutEventsResultEntry{{ErrorCode: code, ErrorMessage: "why"}}}
	}
	for name, tc := range map[string]struct {
		bus     bus
		refused bool
	}{
		"malformed":        {bus{response: entry("MalformedDetail")}, true},
		"source":           {bus{response: entry("NotAuthorizedForSourceException")}, true},
		"invalid request":  {bus{err: rpcerr.Invalid(rpcerr.Violation{Field: "bus"})}, true},
		"internal failure": {bus{response: entry("InternalFailure")}, false},
		"no entry":         {bus{response: &deliveryv1.PutEventsResponse{}}, false},
		"no bus":           {bus{err: rpcerr.New(codes.NotFound, errorsv1.Reason_BUS_NOT_FOUND, "no bus")}, false},
		"leaving":          {bus{err: rpcerr.New(codes.Unavailable, errorsv1.Reason_SHUTTING_DOWN, "leaving")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := put(t, &tc.bus)
			require.Error(t, err)
			require.Equal(t, tc.refused, errors.Is(err, connection.ErrEventRefused), "%v", err)
		})
	}
}
