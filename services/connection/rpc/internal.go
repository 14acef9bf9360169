package rpc

import (
	"context"
	"log/slog"

	"google.golang.org/grpc/status"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/wire"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

type internalServer struct {
	connectionv1.UnimplementedConnectionInternalServiceServer
	service *connection.Service
	logger  *slog.Logger
}

// GetAuthorizationSettings implements connectionv1.ConnectionInternalServiceServer.
func (s *internalServer) GetAuthorizationSettings(
	ctx context.Context, req *connectionv1.GetAuthorizationSettingsRequest,
) (*connectionv1.GetAuthorizationSettingsResponse, error) {
	settings, err := s.settings(ctx, s.service.Reader(), req.GetName())
	if err != nil {
		return nil, err
	}
	return &connectionv1.GetAuthorizationSettingsResponse{Settings: settings}, nil
}

// BatchGetAuthorizationSettings implements connectionv1.ConnectionInternalServiceServer.
func (s *internalServer) BatchGetAuthorizationSettings(
	ctx context.Context, req *connectionv1.BatchGetAuthorizationSettingsRequest,
) (*connectionv1.BatchGetAuthorizationSettingsResponse, error) {
	reader := s.service.Reader()
	response := &connectionv1.BatchGetAuthorizationSettingsResponse{}
	for _, name := range req.GetNames() {
		result := &connectionv1.BatchGetAuthorizationSettingsResponse_Result{}
		settings, err := s.settings(ctx, reader, name)
		if err == nil {
			result.Outcome = &connectionv1.BatchGetAuthorizationSettingsResponse_Result_Settings{Settings: settings}
		} else {
			result.Outcome = &connectionv1.BatchGetAuthorizationSettingsResponse_Result_Error{
				Error: &connectionv1.BatchGetAuthorizationSettingsResponse_Error{
					Code: int32(status.Code(err)), Message: status.Convert(err).Message(), Reason: rpcerr.ReasonOf(err),
				},
			}
		}
		response.Results = append(response.Results, result)
	}
	return response, ctx.Err()
}

// settings reads those of a connection, or of a grant. Errors are statuses.
func (s *internalServer) settings(ctx context.Context, reader *connection.Reader, name string) (*connectionv1.AuthorizationSettings, error) {
	if grant, err := connection.ParseGrantName(name); err == nil {
		g, settings, err := reader.GrantSettings(ctx, grant)
		if err != nil {
			return nil, toStatus(ctx, s.logger, name, err)
		}
		captures, err := s.service.AnswerCaptures(settings)
		if err != nil {
			return nil, toStatus(ctx, s.logger, name, err)
		}
		return wire.FromGrantSettings(g, settings, captures), nil
	}
	parsed, err := parseName("name", name)
	if err != nil {
		return nil, err
	}
	c, err := reader.Settings(ctx, parsed)
	if err != nil {
		return nil, toStatus(ctx, s.logger, name, err)
	}
	return wire.FromSettings(c), nil
}
