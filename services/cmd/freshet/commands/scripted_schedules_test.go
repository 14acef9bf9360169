package commands

import (
	"context"
	"time"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
)

func morning() *deliveryv1.Schedule {
	return &deliveryv1.Schedule{
		Name: "projects/default/buses/default/schedules/morning", Expression: "cron(0 9 ? * MON-FRI *)", TimeZone: "Europe/Berlin",
		State: deliveryv1.Schedule_ENABLED, MissedRuns: deliveryv1.Schedule_FIRE_ONCE,
		Event:       &deliveryv1.ScheduledEvent{Source: "clock", DetailType: "Morning", Detail: "{}"},
		NextRunTime: at(20 * time.Hour), LastRunTime: at(-52 * time.Hour), Etag: "e1",
	}
}

func (s *scripted) CreateSchedule(_ context.Context, r *deliveryv1.CreateScheduleRequest) (*deliveryv1.CreateScheduleResponse, error) {
	s.record(r)
	return &deliveryv1.CreateScheduleResponse{Schedule: morning()}, nil
}

func (s *scripted) GetSchedule(_ context.Context, r *deliveryv1.GetScheduleRequest) (*deliveryv1.GetScheduleResponse, error) {
	s.record(r)
	return &deliveryv1.GetScheduleResponse{Schedule: morning()}, nil
}

func (s *scripted) ListSchedules(_ context.Context, r *deliveryv1.ListSchedulesRequest) (*deliveryv1.ListSchedulesResponse, error) {
	s.record(r)
	return &deliveryv1.ListSchedulesResponse{Schedules: []*deliveryv1.Schedule{morning()}}, nil
}

func (s *scripted) UpdateSchedule(_ context.Context, r *deliveryv1.UpdateScheduleRequest) (*deliveryv1.UpdateScheduleResponse, error) {
	s.record(r)
	x := morning()
	x.State = r.GetSchedule().GetState()
	return &deliveryv1.UpdateScheduleResponse{Schedule: x}, nil
}

func (s *scripted) DeleteSchedule(_ context.Context, r *deliveryv1.DeleteScheduleRequest) (*deliveryv1.DeleteScheduleResponse, error) {
	s.record(r)
	return &deliveryv1.DeleteScheduleResponse{}, nil
}
