package rpc

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/grantjobs"
	"github.com/freshet-io/freshet/services/connection/wire"
	"github.com/freshet-io/freshet/services/internal/page"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// grantJobServer serves what is done to many grants.
type grantJobServer struct {
	connectionv1.UnimplementedGrantJobServiceServer
	jobs   *grantjobs.Service
	pages  *page.Codec
	logger *slog.Logger
}

// CreateGrantJob implements connectionv1.GrantJobServiceServer.
func (s *grantJobServer) CreateGrantJob(
	ctx context.Context, req *connectionv1.CreateGrantJobRequest,
) (*connectionv1.CreateGrantJobResponse, error) {
	project, err := parseParent(req.GetParent())
	if err != nil {
		return nil, err
	}
	m := req.GetGrantJob()
	job := grantjobs.Job{
		Name: grantjobs.Name{Project: project, ID: req.GetGrantJobId()}, Action: wire.ToGrantAction(m.GetAction()),
		Filter:         grantjobs.Filter{State: wire.ToState(m.GetGrantState()), EndUser: m.GetEndUserId()},
		SkipRevocation: m.GetSkipRevocation(),
	}
	if t := m.GetExpireBefore(); t != nil {
		job.Filter.ExpireBefore = t.AsTime()
	}
	if m.GetConnection() != "" {
		of, err := parseName("grant_job.connection", m.GetConnection())
		if err != nil {
			return nil, err
		}
		if of.Project != project {
			return nil, rpcerr.Invalid(rpcerr.Violation{Field: "grant_job.connection", Description: "must be of the same project"})
		}
		job.Filter.Connection = of.ID
	}
	created, err := s.jobs.Create(ctx, job, req.GetValidateOnly())
	if err != nil {
		return nil, s.failCreate(ctx, job, err)
	}
	return &connectionv1.CreateGrantJobResponse{GrantJob: wire.FromGrantJob(created)}, nil
}

// failCreate says of which resource an error is.
func (s *grantJobServer) failCreate(ctx context.Context, job grantjobs.Job, err error) error {
	name := job.Name.String()
	if errors.Is(err, connection.ErrNotFound) {
		name = connection.Name{Project: job.Name.Project, ID: job.Filter.Connection}.String()
	}
	return toStatus(ctx, s.logger, name, err)
}

// GetGrantJob implements connectionv1.GrantJobServiceServer.
func (s *grantJobServer) GetGrantJob(ctx context.Context, req *connectionv1.GetGrantJobRequest) (*connectionv1.GetGrantJobResponse, error) {
	job, err := s.named(ctx, req.GetName(), s.jobs.Get)
	if err != nil {
		return nil, err
	}
	return &connectionv1.GetGrantJobResponse{GrantJob: wire.FromGrantJob(job)}, nil
}

// ListGrantJobs implements connectionv1.GrantJobServiceServer.
func (s *grantJobServer) ListGrantJobs(
	ctx context.Context, req *connectionv1.ListGrantJobsRequest,
) (*connectionv1.ListGrantJobsResponse, error) {
	project, err := parseParent(req.GetParent())
	if err != nil {
		return nil, err
	}
	tokenScope := "ListGrantJobs|" + req.GetParent()
	cursor, err := s.pages.Decode(tokenScope, req.GetPageToken())
	if err != nil {
		return nil, toStatus(ctx, s.logger, req.GetParent(), err)
	}
	after := ""
	if len(cursor) == 1 {
		after = cursor[0]
	}
	size := page.Size(req.GetPageSize())
	list, err := s.jobs.List(ctx, project, after, size+1)
	if err != nil {
		return nil, toStatus(ctx, s.logger, req.GetParent(), err)
	}
	response := &connectionv1.ListGrantJobsResponse{}
	if len(list) > size {
		list = list[:size]
		response.NextPageToken = s.pages.Encode(tokenScope, list[size-1].Name.ID)
	}
	for _, job := range list {
		response.GrantJobs = append(response.GrantJobs, wire.FromGrantJob(job))
	}
	return response, nil
}

// CancelGrantJob implements connectionv1.GrantJobServiceServer.
func (s *grantJobServer) CancelGrantJob(
	ctx context.Context, req *connectionv1.CancelGrantJobRequest,
) (*connectionv1.CancelGrantJobResponse, error) {
	job, err := s.named(ctx, req.GetName(), s.jobs.Cancel)
	if err != nil {
		return nil, err
	}
	return &connectionv1.CancelGrantJobResponse{GrantJob: wire.FromGrantJob(job)}, nil
}

// DeleteGrantJob implements connectionv1.GrantJobServiceServer.
func (s *grantJobServer) DeleteGrantJob(
	ctx context.Context, req *connectionv1.DeleteGrantJobRequest,
) (*connectionv1.DeleteGrantJobResponse, error) {
	_, err := s.named(ctx, req.GetName(), func(ctx context.Context, name grantjobs.Name) (grantjobs.Job, error) {
		return grantjobs.Job{}, s.jobs.Delete(ctx, name)
	})
	if err != nil {
		return nil, err
	}
	return &connectionv1.DeleteGrantJobResponse{}, nil
}

// named runs a use case on the job of a name.
func (s *grantJobServer) named(
	ctx context.Context, name string, run func(context.Context, grantjobs.Name) (grantjobs.Job, error),
) (grantjobs.Job, error) {
	parts := strings.Split(name, "/")
	if len(parts) != 4 || parts[0] != "projects" || parts[2] != "grantJobs" {
		return grantjobs.Job{}, rpcerr.Invalid(rpcerr.Violation{
			Field: "name", Description: "must have the form projects/{project}/grantJobs/{grant_job}",
		})
	}
	job, err := run(ctx, grantjobs.Name{Project: parts[1], ID: parts[3]})
	return job, toStatus(ctx, s.logger, name, err)
}
