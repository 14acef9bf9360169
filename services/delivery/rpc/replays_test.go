package rpc_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
)

func TestReplays(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	_, err := f.archives.CreateArchive(ctx, &deliveryv1.CreateArchiveRequest{Parent: standard, ArchiveId: "all", Archive: &deliveryv1.Archive{}})
	require.NoError(t, err)
	f.destination(t, "d", nil)
	_, err = f.createRule(ctx, "r", simpleRule())
	require.NoError(t, err)
	f.Put(t, "shop", `{}`, `{}`)
	name := parent + "/replays/again"
	create := &deliveryv1.CreateReplayRequest{Parent: parent, ReplayId: "again", ValidateOnly: true, Replay: &deliveryv1.Replay{
		Description: "d", Source: standard + "/archives/all", Rules: []string{standard + "/rules/r"},
		StartTime: timestamppb.New(time.Now().Add(-time.Hour)), EndTime: timestamppb.New(time.Now().Add(time.Hour)),
	}}
	_, err = f.replays.CreateReplay(ctx, create)
	require.NoError(t, err)
	_, err = f.replays.GetReplay(ctx, &deliveryv1.GetReplayRequest{Name: name})
	requireError(t, err, codes.NotFound, errorsv1.Reason_REPLAY_NOT_FOUND)
	for _, c := range []struct {
		change func(*deliveryv1.CreateReplayRequest)
		field  string
		says   string
	}{
		{func(r *deliveryv1.CreateReplayRequest) { r.Replay.EndTime = nil }, "replay.end_time", "required"},
		{func(r *deliveryv1.CreateReplayRequest) { r.Replay.StartTime = nil }, "replay.start_time", ""},
		{func(r *deliveryv1.CreateReplayRequest) { r.Replay.EndTime = r.Replay.StartTime }, "replay.end_time", "after start_time"},
		{func(r *deliveryv1.CreateReplayRequest) { r.Replay.Source = "projects/q/buses/b" }, "replay.source", "same project"},
		{func(r *deliveryv1.CreateReplayRequest) { r.Replay.Source = "shop" }, "replay.source", ""},
		{func(r *deliveryv1.CreateReplayRequest) { r.Replay.Rules[0] = "projects/p/buses/b/rules/r" }, "replay.rules", "bus of the source"},
		{func(r *deliveryv1.CreateReplayRequest) { r.Replay.EventsPerSecond = 10_001 }, "replay.events_per_second", ""},
		{func(r *deliveryv1.CreateReplayRequest) { r.ReplayId = "no good" }, "replay_id", ""},
	} {
		bad := proto.CloneOf(create)
		c.change(bad)
		_, err := f.replays.CreateReplay(ctx, bad)
		requireField(t, err, errorsv1.Reason_INVALID_FIELD, c.field, c.says)
	}
	for reason, change := range map[errorsv1.Reason]func(*deliveryv1.Replay){
		errorsv1.Reason_ARCHIVE_NOT_FOUND: func(r *deliveryv1.Replay) { r.Source = standard + "/archives/none" },
		errorsv1.Reason_BUS_NOT_FOUND:     func(r *deliveryv1.Replay) { r.Source, r.Rules = "projects/p/buses/none", nil },
		errorsv1.Reason_RULE_NOT_FOUND:    func(r *deliveryv1.Replay) { r.Rules = []string{standard + "/rules/none"} },
	} {
		bad := proto.CloneOf(create)
		change(bad.GetReplay())
		_, err := f.replays.CreateReplay(ctx, bad)
		requireError(t, err, codes.NotFound, reason)
	}

	create.ValidateOnly = false
	created, err := f.replays.CreateReplay(ctx, create)
	require.NoError(t, err)
	require.Equal(t, name, created.GetReplay().GetName())
	require.Equal(t, deliveryv1.Replay_STARTING, created.GetReplay().GetState())
	require.Equal(t, deliveryv1.Replay_REPLAY, created.GetReplay().GetKind())
	require.EqualValues(t, 100, created.GetReplay().GetEventsPerSecond())
	require.Equal(t, create.GetReplay().GetSource(), created.GetReplay().GetSource())
	require.Equal(t, create.GetReplay().GetRules(), created.GetReplay().GetRules())
	_, err = f.replays.CreateReplay(ctx, create)
	requireError(t, err, codes.AlreadyExists, errorsv1.Reason_RESOURCE_EXISTS)
	var r *deliveryv1.Replay
	require.Eventually(t, func() bool {
		got, err := f.replays.GetReplay(ctx, &deliveryv1.GetReplayRequest{Name: name})
		require.NoError(t, err)
		r = got.GetReplay()
		return r.GetState() == deliveryv1.Replay_COMPLETED
	}, time.Minute, time.Millisecond)
	require.EqualValues(t, 2, r.GetReplayedEventCount())
	require.Zero(t, r.GetDeliveryCount(), "the rule has no target")
	require.EqualValues(t, 100, r.GetProgressPercent())
	require.NotNil(t, r.GetFinishTime())
	require.Nil(t, r.GetEstimatedFinishTime())
	_, err = f.replays.CancelReplay(ctx, &deliveryv1.CancelReplayRequest{Name: name})
	requireError(t, err, codes.FailedPrecondition, errorsv1.Reason_STATE_CONFLICT)

	for range 4 { // a minute's work
		f.Put(t, "shop", `{}`, `{}`, `{}`, `{}`, `{}`, `{}`, `{}`, `{}`, `{}`, `{}`, `{}`, `{}`, `{}`, `{}`, `{}`)
	}
	create.Replay.EventsPerSecond = 1
	for i := range 10 {
		create.ReplayId = fmt.Sprintf("more%d", i)
		_, err = f.replays.CreateReplay(ctx, create)
		require.NoError(t, err)
	}
	create.ReplayId = "eleventh"
	_, err = f.replays.CreateReplay(ctx, create)
	requireError(t, err, codes.ResourceExhausted, errorsv1.Reason_LIMIT_EXCEEDED)
	cancelled, err := f.replays.CancelReplay(ctx, &deliveryv1.CancelReplayRequest{Name: parent + "/replays/more9"})
	require.NoError(t, err)
	require.Equal(t, deliveryv1.Replay_CANCELLING, cancelled.GetReplay().GetState())
	list, err := f.replays.ListReplays(ctx, &deliveryv1.ListReplaysRequest{Parent: parent, PageSize: 10})
	require.NoError(t, err)
	require.Len(t, list.GetReplays(), 10)
	list, err = f.replays.ListReplays(ctx, &deliveryv1.ListReplaysRequest{Parent: parent, PageToken: list.GetNextPageToken()})
	require.NoError(t, err)
	require.Len(t, list.GetReplays(), 1)
	_, err = f.replays.DeleteReplay(ctx, &deliveryv1.DeleteReplayRequest{Name: parent + "/replays/more8"})
	requireError(t, err, codes.FailedPrecondition, errorsv1.Reason_STATE_CONFLICT)
	_, err = f.replays.DeleteReplay(ctx, &deliveryv1.DeleteReplayRequest{Name: name})
	require.NoError(t, err)
	_, err = f.replays.DeleteReplay(ctx, &deliveryv1.DeleteReplayRequest{Name: name})
	requireError(t, err, codes.NotFound, errorsv1.Reason_REPLAY_NOT_FOUND)
}

func TestRuleWithAStart(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.destination(t, "d", nil)
	create := &deliveryv1.CreateRuleRequest{
		Parent: standard, RuleId: "r", Rule: simpleRule(target("d")), StartTime: timestamppb.New(time.Now().Add(time.Hour)), StartEventsPerSecond: 7,
	}
	_, err := f.api.CreateRule(ctx, create)
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "start_time", "in the past")
	create.StartTime, create.ValidateOnly = timestamppb.New(time.Now().Add(-time.Hour)), true
	checked, err := f.api.CreateRule(ctx, create)
	require.NoError(t, err)
	require.Empty(t, checked.GetRule().GetBackfill())
	create.ValidateOnly = false
	created, err := f.api.CreateRule(ctx, create)
	require.NoError(t, err)
	got, err := f.replays.GetReplay(ctx, &deliveryv1.GetReplayRequest{Name: created.GetRule().GetBackfill()})
	require.NoError(t, err)
	require.Equal(t, deliveryv1.Replay_BACKFILL, got.GetReplay().GetKind())
	require.EqualValues(t, 7, got.GetReplay().GetEventsPerSecond())
	require.Nil(t, got.GetReplay().GetEndTime())
}
