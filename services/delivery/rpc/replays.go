package rpc

import (
	"context"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/jobs"
)

// replayServer implements deliveryv1.ReplayServiceServer.
type replayServer struct {
	deliveryv1.UnimplementedReplayServiceServer
	*server
}

func parseReplay(name string) (jobs.Name, error) {
	ids, ok := segments(name, "projects", "replays")
	if !ok {
		return jobs.Name{}, malformed("name", "projects/{project}/replays/{replay}")
	}
	return jobs.Name{Project: ids[0], Kind: jobs.KindReplay, ID: ids[1]}, nil
}

// toReplay converts what a caller asks for.
func toReplay(project, id string, m *deliveryv1.Replay) (jobs.Job, error) {
	job := jobs.Job{
		Name: jobs.Name{Project: project, Kind: jobs.KindReplay, ID: id}, Description: m.GetDescription(), Rate: int(m.GetEventsPerSecond()),
	}
	r := &job.Replay
	r.Start = m.GetStartTime().AsTime()
	if m.GetEndTime() == nil {
		return job, &delivery.InvalidError{Violations: []delivery.Violation{{Field: "replay.end_time", Description: "is required"}}}
	}
	r.End = m.GetEndTime().AsTime()
	const form = "projects/{project}/buses/{bus} or projects/{project}/buses/{bus}/archives/{archive}, of the same project"
	archive, err := parseArchive("replay.source", m.GetSource())
	if r.Archive, r.Bus = archive.Archive, archive.On(); err != nil {
		if r.Bus, err = parseBus("replay.source", m.GetSource()); err != nil {
			return job, malformed("replay.source", form)
		}
	}
	if r.Bus.Project != project {
		return job, malformed("replay.source", form)
	}
	for _, name := range m.GetRules() {
		rule, err := parseRule("replay.rules", name)
		if err != nil || rule.On() != r.Bus {
			return job, malformed("replay.rules", r.Bus.String()+"/rules/{rule}, of the bus of the source")
		}
		r.Rules = append(r.Rules, rule.Rule)
	}
	return job, nil
}

func (s *server) fromReplay(j *jobs.Job) *deliveryv1.Replay {
	r := &j.Replay
	m := &deliveryv1.Replay{
		Name: j.Name.String(), Description: j.Description, Source: r.Bus.String(), Kind: deliveryv1.Replay_REPLAY,
		StartTime: timestamp(r.Start), EndTime: timestamp(r.End), EventsPerSecond: int32(j.Rate), // at most 10,000
		State: deliveryv1.Replay_State(j.State), StateReason: j.Reason,
		ReplayedEventCount: j.Items, DeliveryCount: j.Effects, LastEventTime: timestamp(j.LastTime),
		ProgressPercent: int32(100 * j.Progress()), EstimatedFinishTime: timestamp(s.jobs.Estimate(j)),
		CreateTime: timestamp(j.CreateTime), BeginTime: timestamp(j.BeginTime), FinishTime: timestamp(j.EndTime),
	}
	if r.Archive != "" {
		m.Source = delivery.ArchiveName{Project: r.Bus.Project, Bus: r.Bus.Bus, Archive: r.Archive}.String()
	}
	if r.Backfill {
		m.Kind = deliveryv1.Replay_BACKFILL
	}
	for _, rule := range r.Rules {
		m.Rules = append(m.Rules, delivery.RuleName{Project: r.Bus.Project, Bus: r.Bus.Bus, Rule: rule}.String())
	}
	return m
}

// CreateReplay implements deliveryv1.ReplayServiceServer.
func (s replayServer) CreateReplay(
	ctx context.Context, req *deliveryv1.CreateReplayRequest,
) (*deliveryv1.CreateReplayResponse, error) {
	project, err := parseProject(req.GetParent())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	job, err := toReplay(project, req.GetReplayId(), req.GetReplay())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	job, err = s.jobs.CreateReplay(ctx, job, req.GetValidateOnly())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.CreateReplayResponse{Replay: s.fromReplay(&job)}, nil
}

// GetReplay implements deliveryv1.ReplayServiceServer.
func (s replayServer) GetReplay(ctx context.Context, req *deliveryv1.GetReplayRequest) (*deliveryv1.GetReplayResponse, error) {
	name, err := parseReplay(req.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	job, err := s.jobs.Get(ctx, name)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.GetReplayResponse{Replay: s.fromReplay(&job)}, nil
}

// ListReplays implements deliveryv1.ReplayServiceServer.
func (s replayServer) ListReplays(
	ctx context.Context, req *deliveryv1.ListReplaysRequest,
) (*deliveryv1.ListReplaysResponse, error) {
	project, err := parseProject(req.GetParent())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	list, next, err := listed(s.server, "replays\n"+req.GetParent(), req.GetPageToken(), req.GetPageSize(),
		func(after string, limit int) ([]jobs.Job, error) {
			return s.jobs.List(ctx, project, jobs.KindReplay, after, limit)
		},
		func(job *jobs.Job) string { return job.Name.ID }, s.fromReplay)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.ListReplaysResponse{Replays: list, NextPageToken: next}, nil
}

// CancelReplay implements deliveryv1.ReplayServiceServer.
func (s replayServer) CancelReplay(
	ctx context.Context, req *deliveryv1.CancelReplayRequest,
) (*deliveryv1.CancelReplayResponse, error) {
	name, err := parseReplay(req.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	job, err := s.jobs.Cancel(ctx, name)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.CancelReplayResponse{Replay: s.fromReplay(&job)}, nil
}

// DeleteReplay implements deliveryv1.ReplayServiceServer.
func (s replayServer) DeleteReplay(
	ctx context.Context, req *deliveryv1.DeleteReplayRequest,
) (*deliveryv1.DeleteReplayResponse, error) {
	name, err := parseReplay(req.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	if err := s.jobs.Delete(ctx, name); err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.DeleteReplayResponse{}, nil
}
