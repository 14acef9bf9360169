package rpc_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
)

func TestPutEvents(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	put := func(bus string, entries ...*deliveryv1.PutEventsRequestEntry) (*deliveryv1.PutEventsResponse, error) {
		return f.api.PutEvents(ctx, &deliveryv1.PutEventsRequest{Bus: bus, Entries: entries})
	}
	good := &deliveryv1.PutEventsRequestEntry{
		Source: "shop", DetailType: "T", Detail: "{}", Resources: []string{"r"}, Time: timestamppb.New(time.Unix(1, 0)),
	}
	suite := &deliveryv1.PutEventsRequestEntry{Source: "freshet.connection", DetailType: "T", Detail: "{}"}
	r, err := put(standard, good, &deliveryv1.PutEventsRequestEntry{}, suite)
	require.NoError(t, err)
	require.EqualValues(t, 2, r.GetFailedEntryCount())
	require.Len(t, r.GetEntries(), 3)
	require.NotEmpty(t, r.GetEntries()[0].GetEventId())
	require.Equal(t, "InvalidArgument", r.GetEntries()[1].GetErrorCode())
	require.Equal(t, "NotAuthorizedForSourceException", r.GetEntries()[2].GetErrorCode())
	r, err = f.internal.PutEvents(ctx, &deliveryv1.PutEventsRequest{Bus: standard, Entries: []*deliveryv1.PutEventsRequestEntry{suite}})
	require.NoError(t, err)
	require.Zero(t, r.GetFailedEntryCount())
	require.NotNil(t, r.FailedEntryCount, "0 is said, not left out")

	_, err = put("projects/p/buses/none", good)
	requireError(t, err, codes.NotFound, errorsv1.Reason_BUS_NOT_FOUND)
	_, err = put(standard)
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "entries", "1 to 10")
	_, err = put(standard, make([]*deliveryv1.PutEventsRequestEntry, 11)...)
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "entries", "1 to 10 entries, not 11")
}

func TestDeliveries(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if broken.Load() {
			w.Header().Set("Retry-After", "-1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	f := newFixture(t)
	ctx := t.Context()
	f.destination(t, "d", func(d *deliveryv1.Destination) { d.Endpoint = server.URL })
	_, err := f.createRule(ctx, "r", simpleRule(target("d")))
	require.NoError(t, err)
	begin := time.Now()
	events := f.Put(t, "shop", `{"n": 1.0}`, `{}`, `{}`)
	list := func(filter string) []*deliveryv1.Delivery {
		t.Helper()
		r, err := f.api.ListDeliveries(ctx, &deliveryv1.ListDeliveriesRequest{Parent: parent, Filter: filter})
		require.NoError(t, err, filter)
		return r.GetDeliveries()
	}
	require.Eventually(t, func() bool { return len(list("state = DEAD")) == 3 }, time.Minute, time.Millisecond)

	dead := list(fmt.Sprintf("event.id = %q", events[0]))[0]
	require.Empty(t, dead.GetPayload(), "not in lists")
	one, err := f.api.GetDelivery(ctx, &deliveryv1.GetDeliveryRequest{Name: dead.GetName()})
	require.NoError(t, err)
	d := one.GetDelivery()
	require.Equal(t, deliveryv1.Delivery_DEAD, d.GetState())
	require.Equal(t, deliveryv1.Delivery_ERROR_FROM_TARGET, d.GetErrorCode())
	require.Equal(t, "projects/p/buses/default/rules/r", d.GetRule())
	require.Equal(t, "projects/p/destinations/d", d.GetDestination())
	require.Equal(t, "t", d.GetTarget())
	require.Equal(t, `{"n": 1.0}`, d.GetEvent().GetDetail())
	require.Contains(t, d.GetPayload(), `"detail":{"n": 1.0}`)
	require.Len(t, d.GetAttempts(), 1)
	require.Equal(t, -time.Second, d.GetAttempts()[0].GetRetryAfter().AsDuration())
	require.EqualValues(t, 503, d.GetAttempts()[0].GetStatusCode())
	require.Nil(t, d.GetNextAttemptTime())

	past, future := begin.Add(-time.Hour).UTC().Format(time.RFC3339Nano), begin.Add(time.Hour).UTC().Format(time.RFC3339Nano)
	for filter, want := range map[string]int{
		"": 3, "   ": 3, "state = DEAD": 3, "state = SUCCEEDED": 0, `state = "DEAD"`: 3,
		`destination = "projects/p/destinations/d"`: 3, `destination = "projects/p/destinations/e"`: 0,
		`rule = "projects/p/buses/default/rules/r" AND state = DEAD`: 3,
		"error_code = ERROR_FROM_TARGET":                             3, "error_code = TIMEOUT AND state = DEAD": 0,
		fmt.Sprintf("create_time > %q", past): 3, fmt.Sprintf("create_time >= %q AND create_time < %q", past, future): 3,
		fmt.Sprintf("create_time < %q", past): 0, fmt.Sprintf("create_time > %q", future): 0,
		fmt.Sprintf("create_time <= timestamp(%q)", future): 3,
		fmt.Sprintf("create_time = %q", future):             -1, `create_time > "yesterday"`: -1,
		"state = NONSENSE": -1, "state != DEAD": -1, "state = DEAD OR state = SUCCEEDED": -1, "NOT state = DEAD": -1, "owner = x": -1,
		"state = DEAD AND state = DEAD": -1, "state": -1, "(": -1, `destination = "projects/q/destinations/d"`: -1,
		`rule = "r"`: -1, "error_code = NONSENSE": -1, "event.id > 5": -1, "state:DEAD": -1,
		"event.id = 7": -1, `event.id = ""`: -1, "event.id = -x": -1, // never all of them
	} {
		if want >= 0 {
			require.Len(t, list(filter), want, filter)
			continue
		}
		_, err := f.api.ListDeliveries(ctx, &deliveryv1.ListDeliveriesRequest{Parent: parent, Filter: filter})
		requireField(t, err, errorsv1.Reason_INVALID_FILTER, "filter", "want comparisons joined by AND")
	}
	var names []string
	token := ""
	for {
		r, err := f.api.ListDeliveries(ctx, &deliveryv1.ListDeliveriesRequest{Parent: parent, PageSize: 2, PageToken: token})
		require.NoError(t, err)
		for _, d := range r.GetDeliveries() {
			names = append(names, d.GetName())
		}
		if token = r.GetNextPageToken(); token == "" {
			break
		}
		_, err = f.api.ListDeliveries(ctx, &deliveryv1.ListDeliveriesRequest{Parent: parent, PageToken: token, Filter: "state = DEAD"})
		requireField(t, err, errorsv1.Reason_INVALID_PAGE_TOKEN, "page_token", "same parent and filter")
	}
	require.Len(t, names, 3)

	broken.Store(false)
	again, err := f.api.RedriveDelivery(ctx, &deliveryv1.RedriveDeliveryRequest{Name: d.GetName()})
	require.NoError(t, err)
	require.EqualValues(t, 1, again.GetDelivery().GetRedriveCount())
	require.Eventually(t, func() bool { return len(list("state = SUCCEEDED")) == 1 }, time.Minute, time.Millisecond)
	_, err = f.api.RedriveDelivery(ctx, &deliveryv1.RedriveDeliveryRequest{Name: d.GetName()})
	requireError(t, err, codes.FailedPrecondition, errorsv1.Reason_STATE_CONFLICT)
	_, err = f.api.RedriveDelivery(ctx, &deliveryv1.RedriveDeliveryRequest{Name: "projects/q" + d.GetName()[len("projects/p"):]})
	requireError(t, err, codes.NotFound, errorsv1.Reason_DELIVERY_NOT_FOUND)
	_, err = f.api.GetDelivery(ctx, &deliveryv1.GetDeliveryRequest{Name: "projects/q" + d.GetName()[len("projects/p"):]})
	requireError(t, err, codes.NotFound, errorsv1.Reason_DELIVERY_NOT_FOUND)

	redrive := func(r *deliveryv1.RedriveDeliveriesRequest) (int, error) {
		r.Parent = parent
		response, err := f.api.RedriveDeliveries(ctx, r)
		return int(response.GetRedrivenCount()), err
	}
	n, err := redrive(&deliveryv1.RedriveDeliveriesRequest{ValidateOnly: true})
	require.NoError(t, err)
	require.Equal(t, 2, n)
	_, err = redrive(&deliveryv1.RedriveDeliveriesRequest{Filter: "state = SUCCEEDED"})
	requireField(t, err, errorsv1.Reason_INVALID_FILTER, "filter", "only DEAD")
	n, err = redrive(&deliveryv1.RedriveDeliveriesRequest{Filter: "state = DEAD"})
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Eventually(t, func() bool { return len(list("state = SUCCEEDED")) == 3 }, time.Minute, time.Millisecond)
}
