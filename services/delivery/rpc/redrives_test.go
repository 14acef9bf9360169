package rpc_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
)

// buried returns the names of n deliveries that are dead, of the rule r for the destination d.
func buried(t *testing.T, f *fixture, n int) []string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }))
	t.Cleanup(server.Close)
	f.destination(t, "d", func(d *deliveryv1.Destination) { d.Endpoint = server.URL })
	_, err := f.createRule(t.Context(), "r", simpleRule(target("d")))
	require.NoError(t, err)
	for range n {
		f.Put(t, "shop", `{}`)
	}
	var names []string
	require.Eventually(t, func() bool {
		list, err := f.api.ListDeliveries(t.Context(), &deliveryv1.ListDeliveriesRequest{Parent: parent, Filter: "state = DEAD"})
		require.NoError(t, err)
		names = nil
		for _, d := range list.GetDeliveries() {
			names = append(names, d.GetName())
		}
		return len(names) == n
	}, time.Minute, time.Millisecond)
	return names
}

func TestRedrives(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	redrives := deliveryv1.NewRedriveServiceClient(f.admin)
	buried(t, f, 3)
	name := parent + "/redrives/again"
	create := &deliveryv1.CreateRedriveRequest{Parent: parent, RedriveId: "again", ValidateOnly: true, Redrive: &deliveryv1.Redrive{
		Description: "d", Filter: `error_code = ERROR_FROM_TARGET AND rule = "projects/p/buses/default/rules/r"`,
		UseCurrentTargets: true, Destination: "projects/p/destinations/d", DeliveriesPerSecond: 1,
	}}
	checked, err := redrives.CreateRedrive(ctx, create)
	require.NoError(t, err)
	require.EqualValues(t, 3, checked.GetRedrive().GetTotalCount())
	_, err = redrives.GetRedrive(ctx, &deliveryv1.GetRedriveRequest{Name: name})
	requireError(t, err, codes.NotFound, errorsv1.Reason_REDRIVE_NOT_FOUND)
	for _, c := range []struct {
		change func(*deliveryv1.Redrive)
		reason errorsv1.Reason
		field  string
	}{
		{func(r *deliveryv1.Redrive) { r.Filter = "state = SUCCEEDED" }, errorsv1.Reason_INVALID_FILTER, "filter"},
		{func(r *deliveryv1.Redrive) { r.Destination = "projects/q/destinations/d" }, errorsv1.Reason_INVALID_FIELD, "redrive.destination"},
		{func(r *deliveryv1.Redrive) { r.DeliveriesPerSecond = -1 }, errorsv1.Reason_INVALID_FIELD, "redrive.deliveries_per_second"},
	} {
		bad := proto.CloneOf(create)
		c.change(bad.GetRedrive())
		_, err := redrives.CreateRedrive(ctx, bad)
		requireField(t, err, c.reason, c.field, "")
	}
	bad := proto.CloneOf(create)
	bad.Redrive.Destination = "projects/p/destinations/none"
	_, err = redrives.CreateRedrive(ctx, bad)
	requireError(t, err, codes.NotFound, errorsv1.Reason_DESTINATION_NOT_FOUND)

	create.ValidateOnly = false
	created, err := redrives.CreateRedrive(ctx, create)
	require.NoError(t, err)
	r := created.GetRedrive()
	require.Equal(t, name, r.GetName())
	require.Equal(t, deliveryv1.Redrive_STARTING, r.GetState())
	require.Equal(t, create.GetRedrive().GetFilter(), r.GetFilter())
	require.Equal(t, create.GetRedrive().GetDestination(), r.GetDestination())
	require.True(t, r.GetUseCurrentTargets())
	_, err = redrives.CreateRedrive(ctx, create)
	requireError(t, err, codes.AlreadyExists, errorsv1.Reason_RESOURCE_EXISTS)
	paused, err := redrives.PauseRedrive(ctx, &deliveryv1.PauseRedriveRequest{Name: name})
	require.NoError(t, err)
	require.Equal(t, deliveryv1.Redrive_PAUSED, paused.GetRedrive().GetState())
	_, err = redrives.DeleteRedrive(ctx, &deliveryv1.DeleteRedriveRequest{Name: name})
	requireError(t, err, codes.FailedPrecondition, errorsv1.Reason_STATE_CONFLICT)
	list, err := redrives.ListRedrives(ctx, &deliveryv1.ListRedrivesRequest{Parent: parent})
	require.NoError(t, err)
	require.Len(t, list.GetRedrives(), 1)
	resumed, err := redrives.ResumeRedrive(ctx, &deliveryv1.ResumeRedriveRequest{Name: name})
	require.NoError(t, err)
	require.Equal(t, deliveryv1.Redrive_STARTING, resumed.GetRedrive().GetState())
	_, err = redrives.ResumeRedrive(ctx, &deliveryv1.ResumeRedriveRequest{Name: "projects/p/redrives/none"})
	requireError(t, err, codes.NotFound, errorsv1.Reason_REDRIVE_NOT_FOUND)
	_, err = redrives.CancelRedrive(ctx, &deliveryv1.CancelRedriveRequest{Name: name})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		got, err := redrives.GetRedrive(ctx, &deliveryv1.GetRedriveRequest{Name: name})
		require.NoError(t, err)
		r = got.GetRedrive()
		return r.GetState() == deliveryv1.Redrive_CANCELLED
	}, time.Minute, time.Millisecond)
	require.Zero(t, r.GetSkippedCount())
	require.NotNil(t, r.GetFinishTime())
	_, err = redrives.DeleteRedrive(ctx, &deliveryv1.DeleteRedriveRequest{Name: name})
	require.NoError(t, err)
}

func TestRedriveEdited(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	dead := buried(t, f, 2)
	edited, err := f.api.RedriveDelivery(ctx, &deliveryv1.RedriveDeliveryRequest{
		Name: dead[0], Destination: "projects/p/destinations/d", Body: new("text"),
	})
	require.NoError(t, err)
	require.True(t, edited.GetDelivery().GetBodyEdited())
	_, err = f.api.RedriveDelivery(ctx, &deliveryv1.RedriveDeliveryRequest{Name: dead[1], MergePatch: "x"})
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "merge_patch", "JSON text of an object")
	_, err = f.api.RedriveDelivery(ctx, &deliveryv1.RedriveDeliveryRequest{Name: dead[1], Destination: "projects/q/destinations/d"})
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "destination", "same project")
	plain, err := f.api.RedriveDelivery(ctx, &deliveryv1.RedriveDeliveryRequest{Name: dead[1]})
	require.NoError(t, err)
	require.False(t, plain.GetDelivery().GetBodyEdited())
}
