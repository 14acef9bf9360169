package rpc

import (
	"context"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/jobs"
)

// redriveServer implements deliveryv1.RedriveServiceServer.
type redriveServer struct {
	deliveryv1.UnimplementedRedriveServiceServer
	*server
}

func parseRedrive(name string) (jobs.Name, error) {
	ids, ok := segments(name, "projects", "redrives")
	if !ok {
		return jobs.Name{}, malformed("name", "projects/{project}/redrives/{redrive}")
	}
	return jobs.Name{Project: ids[0], Kind: jobs.KindRedrive, ID: ids[1]}, nil
}

// parseDeadFilter parses a filter of deliveries that are to be redriven.
func parseDeadFilter(text, project string) (delivery.Filter, error) {
	filter, err := parseFilter(text, project)
	if err == nil && filter.State != 0 && filter.State != delivery.Dead {
		err = &filterError{"only DEAD deliveries are redriven by filter"}
	}
	return filter, err
}

// toRedrive converts what a caller asks for.
func toRedrive(project, id string, m *deliveryv1.Redrive) (jobs.Job, error) {
	job := jobs.Job{
		Name: jobs.Name{Project: project, Kind: jobs.KindRedrive, ID: id}, Description: m.GetDescription(),
		Rate: int(m.GetDeliveriesPerSecond()), Redrive: jobs.Redrive{Text: m.GetFilter(), UseRules: m.GetUseCurrentTargets()},
	}
	var err error
	if job.Redrive.Filter, err = parseDeadFilter(m.GetFilter(), project); err != nil {
		return job, err
	}
	if name := m.GetDestination(); name != "" {
		job.Redrive.Destination, err = sibling("redrive.destination", name, project, "destinations")
	}
	return job, err
}

func (s *server) fromRedrive(j *jobs.Job) *deliveryv1.Redrive {
	r := &j.Redrive
	m := &deliveryv1.Redrive{
		Name: j.Name.String(), Description: j.Description, Filter: r.Text, UseCurrentTargets: r.UseRules,
		DeliveriesPerSecond: int32(j.Rate), // at most 10,000
		State:               deliveryv1.Redrive_State(j.State), StateReason: j.Reason,
		RedrivenCount: j.Effects, SkippedCount: j.Items - j.Effects, TotalCount: j.Total,
		ProgressPercent: int32(100 * j.Progress()), EstimatedFinishTime: timestamp(s.jobs.Estimate(j)),
		CreateTime: timestamp(j.CreateTime), BeginTime: timestamp(j.BeginTime), FinishTime: timestamp(j.EndTime),
	}
	if r.Destination != "" {
		m.Destination = delivery.DestinationName{Project: j.Name.Project, Destination: r.Destination}.String()
	}
	return m
}

// CreateRedrive implements deliveryv1.RedriveServiceServer.
func (s redriveServer) CreateRedrive(
	ctx context.Context, req *deliveryv1.CreateRedriveRequest,
) (*deliveryv1.CreateRedriveResponse, error) {
	project, err := parseProject(req.GetParent())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	job, err := toRedrive(project, req.GetRedriveId(), req.GetRedrive())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	job, err = s.jobs.CreateRedrive(ctx, job, req.GetValidateOnly())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.CreateRedriveResponse{Redrive: s.fromRedrive(&job)}, nil
}

// on does something with the redrive of a name.
func (s redriveServer) on(
	ctx context.Context, name string, do func(context.Context, jobs.Name) (jobs.Job, error),
) (*deliveryv1.Redrive, error) {
	parsed, err := parseRedrive(name)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	job, err := do(ctx, parsed)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return s.fromRedrive(&job), nil
}

// GetRedrive implements deliveryv1.RedriveServiceServer.
func (s redriveServer) GetRedrive(ctx context.Context, req *deliveryv1.GetRedriveRequest) (*deliveryv1.GetRedriveResponse, error) {
	m, err := s.on(ctx, req.GetName(), s.jobs.Get)
	if err != nil {
		return nil, err
	}
	return &deliveryv1.GetRedriveResponse{Redrive: m}, nil
}

// ListRedrives implements deliveryv1.RedriveServiceServer.
func (s redriveServer) ListRedrives(
	ctx context.Context, req *deliveryv1.ListRedrivesRequest,
) (*deliveryv1.ListRedrivesResponse, error) {
	project, err := parseProject(req.GetParent())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	list, next, err := listed(s.server, "redrives\n"+req.GetParent(), req.GetPageToken(), req.GetPageSize(),
		func(after string, limit int) ([]jobs.Job, error) {
			return s.jobs.List(ctx, project, jobs.KindRedrive, after, limit)
		},
		func(job *jobs.Job) string { return job.Name.ID }, s.fromRedrive)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.ListRedrivesResponse{Redrives: list, NextPageToken: next}, nil
}

// PauseRedrive implements deliveryv1.RedriveServiceServer.
func (s redriveServer) PauseRedrive(
	ctx context.Context, req *deliveryv1.PauseRedriveRequest,
) (*deliveryv1.PauseRedriveResponse, error) {
	m, err := s.on(ctx, req.GetName(), s.jobs.Pause)
	if err != nil {
		return nil, err
	}
	return &deliveryv1.PauseRedriveResponse{Redrive: m}, nil
}

// ResumeRedrive implements deliveryv1.RedriveServiceServer.
func (s redriveServer) ResumeRedrive(
	ctx context.Context, req *deliveryv1.ResumeRedriveRequest,
) (*deliveryv1.ResumeRedriveResponse, error) {
	m, err := s.on(ctx, req.GetName(), s.jobs.Resume)
	if err != nil {
		return nil, err
	}
	return &deliveryv1.ResumeRedriveResponse{Redrive: m}, nil
}

// CancelRedrive implements deliveryv1.RedriveServiceServer.
func (s redriveServer) CancelRedrive(
	ctx context.Context, req *deliveryv1.CancelRedriveRequest,
) (*deliveryv1.CancelRedriveResponse, error) {
	m, err := s.on(ctx, req.GetName(), s.jobs.Cancel)
	if err != nil {
		return nil, err
	}
	return &deliveryv1.CancelRedriveResponse{Redrive: m}, nil
}

// DeleteRedrive implements deliveryv1.RedriveServiceServer.
func (s redriveServer) DeleteRedrive(
	ctx context.Context, req *deliveryv1.DeleteRedriveRequest,
) (*deliveryv1.DeleteRedriveResponse, error) {
	name, err := parseRedrive(req.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	if err := s.jobs.Delete(ctx, name); err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.DeleteRedriveResponse{}, nil
}
