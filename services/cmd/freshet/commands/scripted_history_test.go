package commands

import (
	"context"
	"time"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
)

func orders() *deliveryv1.Archive {
	return &deliveryv1.Archive{
		Name: "projects/default/buses/default/archives/orders", Description: "a quarter", EventPattern: `{"source":["shop"]}`, RetentionDays: 90,
		State: deliveryv1.Archive_ENABLED, EventCount: 12345, SizeBytes: 6789012, CreateTime: at(-50 * time.Hour), Etag: "e1",
	}
}

func (s *scripted) CreateArchive(_ context.Context, r *deliveryv1.CreateArchiveRequest) (*deliveryv1.CreateArchiveResponse, error) {
	s.record(r)
	return &deliveryv1.CreateArchiveResponse{Archive: orders()}, nil
}

func (s *scripted) GetArchive(_ context.Context, r *deliveryv1.GetArchiveRequest) (*deliveryv1.GetArchiveResponse, error) {
	s.record(r)
	return &deliveryv1.GetArchiveResponse{Archive: orders()}, nil
}

func (s *scripted) ListArchives(_ context.Context, r *deliveryv1.ListArchivesRequest) (*deliveryv1.ListArchivesResponse, error) {
	s.record(r)
	forever := orders()
	forever.Name, forever.EventPattern, forever.RetentionDays = "projects/default/buses/default/archives/all", "", 0
	return &deliveryv1.ListArchivesResponse{Archives: []*deliveryv1.Archive{forever, orders()}}, nil
}

func (s *scripted) DeleteArchive(_ context.Context, r *deliveryv1.DeleteArchiveRequest) (*deliveryv1.DeleteArchiveResponse, error) {
	s.record(r)
	return &deliveryv1.DeleteArchiveResponse{}, nil
}

func june(state deliveryv1.Replay_State) *deliveryv1.Replay {
	r := &deliveryv1.Replay{
		Name: "projects/default/replays/june", Source: orders().GetName(), Rules: []string{"projects/default/buses/default/rules/crm"},
		StartTime: at(-1000 * time.Hour), EndTime: at(-500 * time.Hour), EventsPerSecond: 200, Kind: deliveryv1.Replay_REPLAY, State: state,
		ReplayedEventCount: 4000, DeliveryCount: 8000, LastEventTime: at(-800 * time.Hour), ProgressPercent: 40,
		EstimatedFinishTime: at(30 * time.Second), CreateTime: at(-20 * time.Second), BeginTime: at(-20 * time.Second),
	}
	if state != deliveryv1.Replay_RUNNING {
		r.EstimatedFinishTime, r.FinishTime = nil, at(-time.Second)
	}
	return r
}

func (s *scripted) CreateReplay(_ context.Context, r *deliveryv1.CreateReplayRequest) (*deliveryv1.CreateReplayResponse, error) {
	s.record(r)
	return &deliveryv1.CreateReplayResponse{Replay: june(deliveryv1.Replay_RUNNING)}, nil
}

func (s *scripted) GetReplay(_ context.Context, r *deliveryv1.GetReplayRequest) (*deliveryv1.GetReplayResponse, error) {
	s.record(r)
	return &deliveryv1.GetReplayResponse{Replay: june(deliveryv1.Replay_COMPLETED)}, nil
}

func (s *scripted) ListReplays(_ context.Context, r *deliveryv1.ListReplaysRequest) (*deliveryv1.ListReplaysResponse, error) {
	s.record(r)
	return &deliveryv1.ListReplaysResponse{Replays: []*deliveryv1.Replay{june(deliveryv1.Replay_RUNNING)}}, nil
}

func (s *scripted) CancelReplay(_ context.Context, r *deliveryv1.CancelReplayRequest) (*deliveryv1.CancelReplayResponse, error) {
	s.record(r)
	return &deliveryv1.CancelReplayResponse{Replay: june(deliveryv1.Replay_CANCELLING)}, nil
}

func (s *scripted) DeleteReplay(_ context.Context, r *deliveryv1.DeleteReplayRequest) (*deliveryv1.DeleteReplayResponse, error) {
	s.record(r)
	return &deliveryv1.DeleteReplayResponse{}, nil
}

func monday(state deliveryv1.Redrive_State) *deliveryv1.Redrive {
	r := &deliveryv1.Redrive{
		Name: "projects/default/redrives/monday", Filter: "error_code = TIMEOUT", Destination: "projects/default/destinations/spare",
		DeliveriesPerSecond: 20, State: state, RedrivenCount: 90, SkippedCount: 10, TotalCount: 200, ProgressPercent: 50,
		CreateTime: at(-5 * time.Second), BeginTime: at(-5 * time.Second),
	}
	if state == deliveryv1.Redrive_COMPLETED {
		r.FinishTime = at(-time.Second)
	}
	return r
}

func (s *scripted) CreateRedrive(_ context.Context, r *deliveryv1.CreateRedriveRequest) (*deliveryv1.CreateRedriveResponse, error) {
	s.record(r)
	return &deliveryv1.CreateRedriveResponse{Redrive: monday(deliveryv1.Redrive_STARTING)}, nil
}

func (s *scripted) GetRedrive(_ context.Context, r *deliveryv1.GetRedriveRequest) (*deliveryv1.GetRedriveResponse, error) {
	s.record(r)
	return &deliveryv1.GetRedriveResponse{Redrive: monday(deliveryv1.Redrive_COMPLETED)}, nil
}

func (s *scripted) ListRedrives(_ context.Context, r *deliveryv1.ListRedrivesRequest) (*deliveryv1.ListRedrivesResponse, error) {
	s.record(r)
	return &deliveryv1.ListRedrivesResponse{Redrives: []*deliveryv1.Redrive{monday(deliveryv1.Redrive_RUNNING)}}, nil
}

func (s *scripted) PauseRedrive(_ context.Context, r *deliveryv1.PauseRedriveRequest) (*deliveryv1.PauseRedriveResponse, error) {
	s.record(r)
	return &deliveryv1.PauseRedriveResponse{Redrive: monday(deliveryv1.Redrive_PAUSED)}, nil
}

func (s *scripted) ResumeRedrive(_ context.Context, r *deliveryv1.ResumeRedriveRequest) (*deliveryv1.ResumeRedriveResponse, error) {
	s.record(r)
	return &deliveryv1.ResumeRedriveResponse{Redrive: monday(deliveryv1.Redrive_STARTING)}, nil
}

func (s *scripted) CancelRedrive(_ context.Context, r *deliveryv1.CancelRedriveRequest) (*deliveryv1.CancelRedriveResponse, error) {
	s.record(r)
	return &deliveryv1.CancelRedriveResponse{Redrive: monday(deliveryv1.Redrive_CANCELLING)}, nil
}

func (s *scripted) DeleteRedrive(_ context.Context, r *deliveryv1.DeleteRedriveRequest) (*deliveryv1.DeleteRedriveResponse, error) {
	s.record(r)
	return &deliveryv1.DeleteRedriveResponse{}, nil
}
