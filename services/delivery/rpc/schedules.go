package rpc

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	"github.com/freshet-io/freshet/services/delivery"
)

// CreateSchedule implements deliveryv1.ScheduleServiceServer.
func (s *server) CreateSchedule(ctx context.Context, req *deliveryv1.CreateScheduleRequest) (*deliveryv1.CreateScheduleResponse, error) {
	bus, err := parseBus("parent", req.GetParent())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	x := delivery.Schedule{Name: delivery.ScheduleName{Project: bus.Project, Bus: bus.Bus, Schedule: req.GetScheduleId()}}
	setSchedule(&x, req.GetSchedule())
	x, err = s.service.CreateSchedule(ctx, x, delivery.Write{ValidateOnly: req.GetValidateOnly()})
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.CreateScheduleResponse{Schedule: fromSchedule(&x)}, nil
}

// GetSchedule implements deliveryv1.ScheduleServiceServer.
func (s *server) GetSchedule(ctx context.Context, req *deliveryv1.GetScheduleRequest) (*deliveryv1.GetScheduleResponse, error) {
	name, err := parseSchedule("name", req.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	x, err := s.service.GetSchedule(ctx, name)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.GetScheduleResponse{Schedule: fromSchedule(&x)}, nil
}

// ListSchedules implements deliveryv1.ScheduleServiceServer.
func (s *server) ListSchedules(ctx context.Context, req *deliveryv1.ListSchedulesRequest) (*deliveryv1.ListSchedulesResponse, error) {
	bus, err := parseBus("parent", req.GetParent())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	list, next, err := listed(s, "schedules\n"+req.GetParent(), req.GetPageToken(), req.GetPageSize(),
		func(after string, limit int) ([]delivery.Schedule, error) {
			return s.service.ListSchedules(ctx, bus, after, limit)
		},
		func(x *delivery.Schedule) string { return x.Name.Schedule }, fromSchedule)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.ListSchedulesResponse{Schedules: list, NextPageToken: next}, nil
}

// UpdateSchedule implements deliveryv1.ScheduleServiceServer.
func (s *server) UpdateSchedule(ctx context.Context, req *deliveryv1.UpdateScheduleRequest) (*deliveryv1.UpdateScheduleResponse, error) {
	in := req.GetSchedule()
	name, err := parseSchedule("schedule.name", in.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	x, err := s.service.UpdateSchedule(ctx, name, delivery.Write{Etag: in.GetEtag(), ValidateOnly: req.GetValidateOnly()},
		func(x *delivery.Schedule) error {
			merged := fromSchedule(x)
			err := s.merge("schedule", merged, in, req.GetUpdateMask(), "description", "expression", "time_zone", "start_time", "end_time",
				"state", "event", "missed_runs")
			if err != nil {
				return err
			}
			setSchedule(x, merged)
			return nil
		})
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.UpdateScheduleResponse{Schedule: fromSchedule(&x)}, nil
}

// DeleteSchedule implements deliveryv1.ScheduleServiceServer.
func (s *server) DeleteSchedule(ctx context.Context, req *deliveryv1.DeleteScheduleRequest) (*deliveryv1.DeleteScheduleResponse, error) {
	name, err := parseSchedule("name", req.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	if err := s.service.DeleteSchedule(ctx, name, delivery.Write{Etag: req.GetEtag()}); err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.DeleteScheduleResponse{}, nil
}

func parseSchedule(field, name string) (delivery.ScheduleName, error) {
	ids, ok := segments(name, "projects", "buses", "schedules")
	if !ok {
		return delivery.ScheduleName{}, malformed(field, "projects/{project}/buses/{bus}/schedules/{schedule}")
	}
	return delivery.ScheduleName{Project: ids[0], Bus: ids[1], Schedule: ids[2]}, nil
}

func fromSchedule(x *delivery.Schedule) *deliveryv1.Schedule {
	m := &deliveryv1.Schedule{
		Name: x.Name.String(), Description: x.Description, Expression: x.Timing.Expression, TimeZone: x.Timing.TimeZone,
		StartTime: timestamp(x.Timing.StartTime), EndTime: timestamp(x.Timing.EndTime), State: deliveryv1.Schedule_ENABLED,
		Event:      &deliveryv1.ScheduledEvent{Source: x.Source, DetailType: x.DetailType, Detail: x.Detail},
		MissedRuns: deliveryv1.Schedule_MissedRuns(x.Missed), NextRunTime: timestamp(x.NextRun), LastRunTime: timestamp(x.LastRun),
		CreateTime: timestamp(x.CreateTime), UpdateTime: timestamp(x.UpdateTime), Etag: x.Etag,
	}
	if x.Timing.Disabled {
		m.State = deliveryv1.Schedule_DISABLED
	}
	return m
}

// setSchedule sets what a caller can change.
func setSchedule(x *delivery.Schedule, m *deliveryv1.Schedule) {
	x.Description, x.Missed = m.GetDescription(), delivery.MissedRuns(m.GetMissedRuns())
	x.Timing = delivery.Timing{
		Expression: m.GetExpression(), TimeZone: m.GetTimeZone(), StartTime: instant(m.GetStartTime()), EndTime: instant(m.GetEndTime()),
		Disabled: m.GetState() == deliveryv1.Schedule_DISABLED,
	}
	x.Source, x.DetailType, x.Detail = m.GetEvent().GetSource(), m.GetEvent().GetDetailType(), m.GetEvent().GetDetail()
}

// instant is a time as stores keep it.
func instant(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime().Truncate(time.Microsecond)
}
