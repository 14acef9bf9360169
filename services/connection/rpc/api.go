package rpc

import (
	"context"
	"log/slog"
	"strings"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/wire"
)

// apiServer says what connections' APIs are.
type apiServer struct {
	connectionv1.UnimplementedApiServiceServer
	service *connection.Service
	logger  *slog.Logger
}

// GetApi implements connectionv1.ApiServiceServer.
func (s *apiServer) GetApi(ctx context.Context, req *connectionv1.GetApiRequest) (*connectionv1.GetApiResponse, error) { //nolint:staticcheck // The contract's name.
	of := strings.TrimSuffix(req.GetName(), "/api")
	if grant, err := connection.ParseGrantName(of); err == nil {
		api, err := s.service.GrantAPI(ctx, grant)
		if err != nil {
			return nil, toStatus(ctx, s.logger, of, err)
		}
		return &connectionv1.GetApiResponse{Api: wire.FromAPI(grant, api)}, nil
	}
	name, err := parseName("name", of)
	if err != nil {
		return nil, err
	}
	api, err := s.service.API(ctx, name)
	if err != nil {
		return nil, toStatus(ctx, s.logger, name.String(), err)
	}
	return &connectionv1.GetApiResponse{Api: wire.FromAPI(name, api)}, nil
}
