package rpc

import (
	"context"
	"log/slog"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/catalog"
	"github.com/freshet-io/freshet/services/connection/connect"
	"github.com/freshet-io/freshet/services/connection/grantjobs"
	"github.com/freshet-io/freshet/services/connection/wire"
	"github.com/freshet-io/freshet/services/internal/page"
)

// Options are what the handlers need besides the use cases.
type Options struct {
	// Logger gets errors that callers do not see in full. Default: discard.
	Logger *slog.Logger
	// Pages makes page tokens. Required.
	Pages *page.Codec
	// Validator checks connections after an update is merged. Default: protovalidate.GlobalValidator.
	Validator protovalidate.Validator
	// Catalog is what ProviderService serves. Required.
	Catalog *catalog.Catalog
	// GrantJobs are the use cases on many grants. Required.
	GrantJobs *grantjobs.Service
	// Connect is what ConnectService serves. Required.
	Connect *connect.Service
}

// Register registers the services of the connection role.
func Register(r grpc.ServiceRegistrar, svc *connection.Service, o Options) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Validator == nil {
		o.Validator = protovalidate.GlobalValidator
	}
	connectionv1.RegisterConnectionServiceServer(r, &server{service: svc, options: o})
	connectionv1.RegisterGrantServiceServer(r, &grantServer{service: svc, pages: o.Pages, logger: o.Logger})
	connectionv1.RegisterGrantJobServiceServer(r, &grantJobServer{jobs: o.GrantJobs, pages: o.Pages, logger: o.Logger})
	connectionv1.RegisterEndUserServiceServer(r, &endUserServer{service: svc, jobs: o.GrantJobs, pages: o.Pages, logger: o.Logger})
	connectionv1.RegisterProviderServiceServer(r, &providerServer{catalog: o.Catalog, pages: o.Pages, logger: o.Logger})
	connectionv1.RegisterApiServiceServer(r, &apiServer{service: svc, logger: o.Logger})
	connectionv1.RegisterConnectionInternalServiceServer(r, &internalServer{service: svc, logger: o.Logger})
	connectionv1.RegisterConnectServiceServer(r, &connectServer{service: o.Connect, logger: o.Logger})
	connectionv1.RegisterConnectInternalServiceServer(r, &browserServer{service: o.Connect, logger: o.Logger})
}

type server struct {
	connectionv1.UnimplementedConnectionServiceServer
	service *connection.Service
	options Options
}

// CreateConnection implements connectionv1.ConnectionServiceServer.
func (s *server) CreateConnection(
	ctx context.Context, req *connectionv1.CreateConnectionRequest,
) (*connectionv1.CreateConnectionResponse, error) {
	project, err := parseParent(req.GetParent())
	if err != nil {
		return nil, err
	}
	name := connection.Name{Project: project, ID: req.GetConnectionId()}
	c, err := s.service.Create(ctx, connection.Draft{
		Name:        name,
		Description: req.GetConnection().GetDescription(),
		Settings:    wire.ToSettings(req.GetConnection()),
	}, req.GetValidateOnly())
	if err != nil {
		return nil, s.fail(ctx, name.String(), err)
	}
	return &connectionv1.CreateConnectionResponse{Connection: wire.FromConnection(c)}, nil
}

// GetConnection implements connectionv1.ConnectionServiceServer.
func (s *server) GetConnection(
	ctx context.Context, req *connectionv1.GetConnectionRequest,
) (*connectionv1.GetConnectionResponse, error) {
	c, err := s.named(ctx, "name", req.GetName(), s.service.Get)
	if err != nil {
		return nil, err
	}
	return &connectionv1.GetConnectionResponse{Connection: wire.FromConnection(c)}, nil
}

// ListConnections implements connectionv1.ConnectionServiceServer.
func (s *server) ListConnections(
	ctx context.Context, req *connectionv1.ListConnectionsRequest,
) (*connectionv1.ListConnectionsResponse, error) {
	project, err := parseParent(req.GetParent())
	if err != nil {
		return nil, err
	}
	state := wire.ToState(req.GetState())
	tokenScope := "ListConnections|" + project + "|" + string(state)
	cursor, err := s.options.Pages.Decode(tokenScope, req.GetPageToken())
	if err != nil {
		return nil, s.fail(ctx, req.GetParent(), err)
	}
	size := page.Size(req.GetPageSize())
	query := connection.Query{State: state, Limit: size + 1}
	if len(cursor) == 1 {
		query.After = cursor[0]
	}
	list, err := s.service.List(ctx, project, query)
	if err != nil {
		return nil, s.fail(ctx, req.GetParent(), err)
	}
	response := &connectionv1.ListConnectionsResponse{}
	if len(list) > size {
		list = list[:size]
		response.NextPageToken = s.options.Pages.Encode(tokenScope, list[size-1].Name.ID)
	}
	for _, c := range list {
		response.Connections = append(response.Connections, wire.FromConnection(c))
	}
	return response, nil
}

// UpdateConnection implements connectionv1.ConnectionServiceServer.
func (s *server) UpdateConnection(
	ctx context.Context, req *connectionv1.UpdateConnectionRequest,
) (*connectionv1.UpdateConnectionResponse, error) {
	c, err := s.named(ctx, "connection.name", req.GetConnection().GetName(),
		func(ctx context.Context, name connection.Name) (connection.Connection, error) {
			return s.service.Update(ctx, name, connection.Update{
				ETag:         req.GetConnection().GetEtag(),
				ValidateOnly: req.GetValidateOnly(),
				// Named, and left empty.
				RemoveSecrets: req.GetUpdateMask().GetPaths(),
				Edit: func(stored connection.Connection) (connection.Connection, error) {
					return s.edit(stored, req)
				},
			})
		})
	if err != nil {
		return nil, err
	}
	return &connectionv1.UpdateConnectionResponse{Connection: wire.FromConnection(c)}, nil
}

// DeleteConnection implements connectionv1.ConnectionServiceServer.
func (s *server) DeleteConnection(
	ctx context.Context, req *connectionv1.DeleteConnectionRequest,
) (*connectionv1.DeleteConnectionResponse, error) {
	c, err := s.named(ctx, "name", req.GetName(), func(ctx context.Context, name connection.Name) (connection.Connection, error) {
		return s.service.Delete(ctx, name, req.GetEtag())
	})
	if err != nil {
		return nil, err
	}
	return &connectionv1.DeleteConnectionResponse{Connection: wire.FromConnection(c)}, nil
}

// AuthorizeConnection implements connectionv1.ConnectionServiceServer.
func (s *server) AuthorizeConnection(
	ctx context.Context, req *connectionv1.AuthorizeConnectionRequest,
) (*connectionv1.AuthorizeConnectionResponse, error) {
	c, err := s.named(ctx, "name", req.GetName(), s.service.Authorize)
	if err != nil {
		return nil, err
	}
	return &connectionv1.AuthorizeConnectionResponse{Connection: wire.FromConnection(c)}, nil
}

// DeauthorizeConnection implements connectionv1.ConnectionServiceServer.
func (s *server) DeauthorizeConnection(
	ctx context.Context, req *connectionv1.DeauthorizeConnectionRequest,
) (*connectionv1.DeauthorizeConnectionResponse, error) {
	c, err := s.named(ctx, "name", req.GetName(), s.service.Deauthorize)
	if err != nil {
		return nil, err
	}
	return &connectionv1.DeauthorizeConnectionResponse{Connection: wire.FromConnection(c)}, nil
}

// TestConnection implements connectionv1.ConnectionServiceServer.
func (s *server) TestConnection(
	ctx context.Context, req *connectionv1.TestConnectionRequest,
) (*connectionv1.TestConnectionResponse, error) {
	name, err := parseName("name", req.GetName())
	if err != nil {
		return nil, err
	}
	steps, ok, err := s.service.Test(ctx, name)
	if err != nil {
		return nil, s.fail(ctx, name.String(), err)
	}
	response := &connectionv1.TestConnectionResponse{Ok: ok}
	for _, step := range steps {
		response.Steps = append(response.Steps, &connectionv1.TestStep{
			Kind:     connectionv1.TestStep_Kind(connectionv1.TestStep_Kind_value[string(step.Kind)]),
			Outcome:  connectionv1.TestStep_Outcome(connectionv1.TestStep_Outcome_value[string(step.Outcome)]),
			Message:  step.Message,
			Duration: durationpb.New(step.Duration),
			Reason:   wire.FromReason(step.Reason),
		})
	}
	return response, nil
}

// named runs a use case on the connection of a name.
func (s *server) named(
	ctx context.Context, field, name string, run func(context.Context, connection.Name) (connection.Connection, error),
) (connection.Connection, error) {
	parsed, err := parseName(field, name)
	if err != nil {
		return connection.Connection{}, err
	}
	c, err := run(ctx, parsed)
	return c, s.fail(ctx, name, err)
}

func (s *server) fail(ctx context.Context, name string, err error) error {
	return toStatus(ctx, s.options.Logger, name, err)
}
