package rpc_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
)

func TestSchedules(t *testing.T) {
	f := newFixture(t)
	api := deliveryv1.NewScheduleServiceClient(f.admin)
	ctx := t.Context()
	name := standard + "/schedules/daily"
	start := time.Now().Add(time.Hour).Truncate(time.Second)
	create := &deliveryv1.CreateScheduleRequest{Parent: standard, ScheduleId: "daily", ValidateOnly: true, Schedule: &deliveryv1.Schedule{
		Expression: "rate(1 day)", StartTime: timestamppb.New(start),
		Event: &deliveryv1.ScheduledEvent{Source: "clock", DetailType: "Day"},
	}}
	_, err := api.CreateSchedule(ctx, create)
	require.NoError(t, err)
	_, err = api.GetSchedule(ctx, &deliveryv1.GetScheduleRequest{Name: name})
	requireError(t, err, codes.NotFound, errorsv1.Reason_SCHEDULE_NOT_FOUND)
	create.ValidateOnly = false
	created, err := api.CreateSchedule(ctx, create)
	require.NoError(t, err)
	x := created.GetSchedule()
	require.Equal(t, name, x.GetName())
	require.True(t, start.Equal(x.GetNextRunTime().AsTime()))
	require.Nil(t, x.GetLastRunTime())
	require.Equal(t, "{}", x.GetEvent().GetDetail())
	require.Equal(t, deliveryv1.Schedule_FIRE_ONCE, x.GetMissedRuns())
	_, err = api.CreateSchedule(ctx, create)
	requireError(t, err, codes.AlreadyExists, errorsv1.Reason_RESOURCE_EXISTS)
	got, err := api.GetSchedule(ctx, &deliveryv1.GetScheduleRequest{Name: name})
	require.NoError(t, err)
	require.True(t, proto.Equal(x, got.GetSchedule()))
	list, err := api.ListSchedules(ctx, &deliveryv1.ListSchedulesRequest{Parent: standard})
	require.NoError(t, err)
	require.Len(t, list.GetSchedules(), 1)
	require.Empty(t, list.GetNextPageToken())

	update := func(x *deliveryv1.Schedule, paths ...string) (*deliveryv1.Schedule, error) {
		r, err := api.UpdateSchedule(ctx, &deliveryv1.UpdateScheduleRequest{Schedule: x, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
		return r.GetSchedule(), err
	}
	changed, err := update(&deliveryv1.Schedule{Name: name, State: deliveryv1.Schedule_DISABLED, Etag: x.GetEtag()})
	require.NoError(t, err)
	require.Nil(t, changed.GetNextRunTime())
	_, err = update(&deliveryv1.Schedule{Name: name, Etag: x.GetEtag(), Description: "d"})
	requireError(t, err, codes.Aborted, errorsv1.Reason_ETAG_MISMATCH)
	changed, err = update(&deliveryv1.Schedule{Name: name}, "state")
	require.NoError(t, err)
	require.True(t, start.Equal(changed.GetNextRunTime().AsTime()))
	_, err = update(&deliveryv1.Schedule{Name: name}, "next_run_time")
	requireField(t, err, errorsv1.Reason_INVALID_UPDATE_MASK, "update_mask", "cannot be changed")
	for field, bad := range map[string]*deliveryv1.Schedule{
		"schedule.expression": {Name: name, Expression: "cron(* * * * *)"},
		"schedule.time_zone":  {Name: name, TimeZone: "Mars/Olympus"},
	} {
		_, err = update(bad)
		requireField(t, err, errorsv1.Reason_INVALID_SCHEDULE, field, "want")
	}
	_, err = update(&deliveryv1.Schedule{Name: name, Event: &deliveryv1.ScheduledEvent{Source: "clock", DetailType: "Day", Detail: "[]"}})
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "schedule.event", "malformed")
	_, err = update(&deliveryv1.Schedule{Name: name, Event: &deliveryv1.ScheduledEvent{Source: "freshet.x", DetailType: "Day"}})
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "schedule.event", "freshet.")

	create.Parent = "projects/p/buses/none"
	_, err = api.CreateSchedule(ctx, create)
	requireError(t, err, codes.NotFound, errorsv1.Reason_BUS_NOT_FOUND)
	_, err = api.DeleteSchedule(ctx, &deliveryv1.DeleteScheduleRequest{Name: name, Etag: "old"})
	requireError(t, err, codes.Aborted, errorsv1.Reason_ETAG_MISMATCH)
	_, err = api.DeleteSchedule(ctx, &deliveryv1.DeleteScheduleRequest{Name: name})
	require.NoError(t, err)
	_, err = api.DeleteSchedule(ctx, &deliveryv1.DeleteScheduleRequest{Name: name})
	requireError(t, err, codes.NotFound, errorsv1.Reason_SCHEDULE_NOT_FOUND)
}
