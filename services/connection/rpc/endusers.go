package rpc

import (
	"context"
	"log/slog"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/grantjobs"
	"github.com/freshet-io/freshet/services/connection/wire"
	"github.com/freshet-io/freshet/services/internal/page"
)

// endUserServer serves what is held about end users.
type endUserServer struct {
	connectionv1.UnimplementedEndUserServiceServer
	service *connection.Service
	jobs    *grantjobs.Service
	pages   *page.Codec
	logger  *slog.Logger
}

// maxExport is how many grants are exported at a time: the journal of each can have hundreds of entries.
const maxExport = 10

// ExportEndUser implements connectionv1.EndUserServiceServer.
func (s *endUserServer) ExportEndUser(
	ctx context.Context, req *connectionv1.ExportEndUserRequest,
) (*connectionv1.ExportEndUserResponse, error) {
	project, err := parseParent(req.GetParent())
	if err != nil {
		return nil, err
	}
	tokenScope := "ExportEndUser|" + req.GetParent() + "|" + req.GetEndUserId()
	cursor, err := s.pages.Decode(tokenScope, req.GetPageToken())
	if err != nil {
		return nil, toStatus(ctx, s.logger, req.GetParent(), err)
	}
	var after connection.GrantCursor
	if len(cursor) == 2 {
		after.Name = connection.GrantName{Connection: connection.Name{Project: project, ID: cursor[0]}, ID: cursor[1]}
	}
	size := maxExport
	if n := int(req.GetPageSize()); n > 0 {
		size = min(n, maxExport)
	}
	list, err := s.service.ExportEndUser(ctx, project, req.GetEndUserId(), after, size)
	if err != nil {
		return nil, toStatus(ctx, s.logger, req.GetParent(), err)
	}
	response := &connectionv1.ExportEndUserResponse{}
	for _, e := range list {
		response.Grants = append(response.Grants, wire.FromExport(e))
	}
	if len(list) == size {
		last := list[size-1].Grant.Name
		response.NextPageToken = s.pages.Encode(tokenScope, last.Connection.ID, last.ID)
	}
	return response, nil
}

// EraseEndUser implements connectionv1.EndUserServiceServer.
func (s *endUserServer) EraseEndUser(
	ctx context.Context, req *connectionv1.EraseEndUserRequest,
) (*connectionv1.EraseEndUserResponse, error) {
	project, err := parseParent(req.GetParent())
	if err != nil {
		return nil, err
	}
	job, err := s.jobs.EraseEndUser(ctx, project, req.GetEndUserId())
	if err != nil {
		return nil, toStatus(ctx, s.logger, req.GetParent(), err)
	}
	return &connectionv1.EraseEndUserResponse{GrantJob: wire.FromGrantJob(job)}, nil
}
