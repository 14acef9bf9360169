package rpc

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"google.golang.org/grpc"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/interfaces"
	"github.com/freshet-io/freshet/services/connection/wire"
	"github.com/freshet-io/freshet/services/internal/lint"
	"github.com/freshet-io/freshet/services/internal/mapping"
	"github.com/freshet-io/freshet/services/internal/page"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// maxDescription is the contract's bound, in characters.
const maxDescription = 512

// interfaceServer serves interfaces.
type interfaceServer struct {
	connectionv1.UnimplementedInterfaceServiceServer
	service *interfaces.Service
	pages   *page.Codec
	logger  *slog.Logger
}

// RegisterInterfaces registers InterfaceService. Logger and Pages of the options are used.
func RegisterInterfaces(r grpc.ServiceRegistrar, svc *interfaces.Service, o Options) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	connectionv1.RegisterInterfaceServiceServer(r, &interfaceServer{service: svc, pages: o.Pages, logger: o.Logger})
}

// CreateInterface implements connectionv1.InterfaceServiceServer.
func (s *interfaceServer) CreateInterface(
	ctx context.Context, req *connectionv1.CreateInterfaceRequest,
) (*connectionv1.CreateInterfaceResponse, error) {
	project, err := parseParent(req.GetParent())
	if err != nil {
		return nil, err
	}
	name := interfaces.Name{Project: project, ID: req.GetInterfaceId()}
	i, err := s.service.Create(ctx, interfaces.Draft{
		Name: name, Description: req.GetInterface().GetDescription(), Definition: req.GetInterface().GetDefinition(),
	}, req.GetValidateOnly())
	if err != nil {
		return nil, s.fail(ctx, name.String(), err)
	}
	return &connectionv1.CreateInterfaceResponse{Interface: wire.FromInterface(i)}, nil
}

// GetInterface implements connectionv1.InterfaceServiceServer.
func (s *interfaceServer) GetInterface(ctx context.Context, req *connectionv1.GetInterfaceRequest) (*connectionv1.GetInterfaceResponse, error) {
	i, err := s.named(ctx, "name", req.GetName(), s.service.Get)
	if err != nil {
		return nil, err
	}
	return &connectionv1.GetInterfaceResponse{Interface: wire.FromInterface(i)}, nil
}

// ListInterfaces implements connectionv1.InterfaceServiceServer.
func (s *interfaceServer) ListInterfaces(
	ctx context.Context, req *connectionv1.ListInterfacesRequest,
) (*connectionv1.ListInterfacesResponse, error) {
	project, err := parseParent(req.GetParent())
	if err != nil {
		return nil, err
	}
	tokenScope := "ListInterfaces|" + project
	cursor, err := s.pages.Decode(tokenScope, req.GetPageToken())
	if err != nil {
		return nil, s.fail(ctx, req.GetParent(), err)
	}
	after := ""
	if len(cursor) == 1 {
		after = cursor[0]
	}
	size := page.Size(req.GetPageSize())
	list, err := s.service.List(ctx, project, after, size+1)
	if err != nil {
		return nil, s.fail(ctx, req.GetParent(), err)
	}
	response := &connectionv1.ListInterfacesResponse{}
	if len(list) > size {
		list = list[:size]
		response.NextPageToken = s.pages.Encode(tokenScope, list[size-1].Name.ID)
	}
	for _, i := range list {
		response.Interfaces = append(response.Interfaces, wire.FromInterface(i))
	}
	return response, nil
}

// UpdateInterface implements connectionv1.InterfaceServiceServer.
func (s *interfaceServer) UpdateInterface(
	ctx context.Context, req *connectionv1.UpdateInterfaceRequest,
) (*connectionv1.UpdateInterfaceResponse, error) {
	i, err := s.named(ctx, "interface.name", req.GetInterface().GetName(), func(ctx context.Context, name interfaces.Name) (interfaces.Interface, error) {
		update, err := interfaceUpdate(req)
		if err != nil {
			return interfaces.Interface{}, err
		}
		return s.service.Update(ctx, name, update)
	})
	if err != nil {
		return nil, err
	}
	return &connectionv1.UpdateInterfaceResponse{Interface: wire.FromInterface(i)}, nil
}

// interfaceUpdate is the change that a request asks for.
func interfaceUpdate(req *connectionv1.UpdateInterfaceRequest) (interfaces.Update, error) {
	in, mask := req.GetInterface(), req.GetUpdateMask()
	changeable := []string{"description", "definition"}
	for _, path := range mask.GetPaths() {
		if path != "*" && !exists(in.ProtoReflect().Descriptor(), strings.Split(path, ".")) {
			return interfaces.Update{}, &maskError{path, "names no field of an interface"}
		}
	}
	named := func(field string) bool { return names(mask, field) }
	if len(mask.GetPaths()) > 0 && !slices.ContainsFunc(changeable, named) && !identifiesOnly(mask) {
		return interfaces.Update{}, &maskError{
			strings.Join(mask.GetPaths(), ","), "names only fields that cannot be changed; those that can: " + strings.Join(changeable, ", "),
		}
	}
	unmasked := len(mask.GetPaths()) == 0
	update := interfaces.Update{ETag: in.GetEtag(), ValidateOnly: req.GetValidateOnly()}
	if named("description") || unmasked && in.GetDescription() != "" {
		update.Description = new(in.GetDescription())
		if len([]rune(*update.Description)) > maxDescription {
			return interfaces.Update{}, &connection.ValidationError{Violations: []connection.Violation{{
				Field: "description", Description: "must have at most 512 characters",
			}}}
		}
	}
	if named("definition") || unmasked && in.GetDefinition() != "" {
		update.Definition = new(in.GetDefinition())
	}
	return update, nil
}

// DeleteInterface implements connectionv1.InterfaceServiceServer.
func (s *interfaceServer) DeleteInterface(
	ctx context.Context, req *connectionv1.DeleteInterfaceRequest,
) (*connectionv1.DeleteInterfaceResponse, error) {
	_, err := s.named(ctx, "name", req.GetName(), func(ctx context.Context, name interfaces.Name) (interfaces.Interface, error) {
		return interfaces.Interface{}, s.service.Delete(ctx, name, req.GetEtag())
	})
	if err != nil {
		return nil, err
	}
	return &connectionv1.DeleteInterfaceResponse{}, nil
}

// LintInterface implements connectionv1.InterfaceServiceServer.
func (s *interfaceServer) LintInterface(
	ctx context.Context, req *connectionv1.LintInterfaceRequest,
) (*connectionv1.LintInterfaceResponse, error) {
	_, err := mapping.Parse("", []byte(req.GetDefinition()))
	problems, ok := errors.AsType[lint.Problems](err)
	if err != nil && !ok {
		return nil, s.fail(ctx, req.GetParent(), err)
	}
	return &connectionv1.LintInterfaceResponse{Problems: wire.FromProblems(problems)}, nil
}

// DryRunInterface implements connectionv1.InterfaceServiceServer.
func (s *interfaceServer) DryRunInterface(
	ctx context.Context, req *connectionv1.DryRunInterfaceRequest,
) (*connectionv1.DryRunInterfaceResponse, error) {
	project, err := parseParent(req.GetParent())
	if err != nil {
		return nil, err
	}
	name := interfaces.Name{Project: project, ID: req.GetInterface()}
	definition := req.GetDefinition()
	if req.GetInterface() != "" {
		stored, err := s.service.Get(ctx, name)
		if err != nil {
			return nil, s.fail(ctx, name.String(), err)
		}
		definition = stored.Definition
	}
	tried, err := interfaces.DryRun(ctx, definition, wire.ToTrial(req))
	if invalid, ok := errors.AsType[*connection.ValidationError](err); ok {
		return nil, rpcerr.Invalid(violations("", invalid)...)
	}
	if err != nil {
		return nil, s.fail(ctx, name.String(), err)
	}
	return wire.FromTried(tried), nil
}

// ResolveInterface implements connectionv1.InterfaceServiceServer.
func (s *interfaceServer) ResolveInterface(
	ctx context.Context, req *connectionv1.ResolveInterfaceRequest,
) (*connectionv1.ResolveInterfaceResponse, error) {
	of, err := parseName("connection", req.GetConnection())
	if err != nil {
		return nil, err
	}
	response := &connectionv1.ResolveInterfaceResponse{}
	i, err := s.named(ctx, "name", req.GetName(), func(ctx context.Context, name interfaces.Name) (i interfaces.Interface, err error) {
		if of.Project != name.Project {
			return i, rpcerr.Invalid(rpcerr.Violation{Field: "connection", Description: "must be of the interface's project"})
		}
		i, response.Mapping, err = s.service.Resolve(ctx, name, of, req.GetMapping())
		if errors.Is(err, connection.ErrNotFound) {
			return i, s.fail(ctx, of.String(), err)
		}
		return i, err
	})
	if err != nil {
		return nil, err
	}
	response.Interface = wire.FromInterface(i)
	return response, nil
}

// named runs a use case on the interface of a name.
func (s *interfaceServer) named(
	ctx context.Context, field, name string, run func(context.Context, interfaces.Name) (interfaces.Interface, error),
) (interfaces.Interface, error) {
	parsed, err := interfaces.ParseName(name)
	if err != nil {
		return interfaces.Interface{}, rpcerr.Invalid(rpcerr.Violation{Field: field, Description: "must have the form projects/{project}/interfaces/{interface}"})
	}
	i, err := run(ctx, parsed)
	if rpcerr.ReasonOf(err) != 0 { // it is a status already
		return i, err
	}
	return i, s.fail(ctx, name, err)
}

func (s *interfaceServer) fail(ctx context.Context, name string, err error) error {
	return toStatus(ctx, s.logger, name, err)
}
