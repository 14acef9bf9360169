package rpc

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/wire"
	"github.com/freshet-io/freshet/services/internal/page"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// grantServer serves the accounts of end users.
type grantServer struct {
	connectionv1.UnimplementedGrantServiceServer
	service *connection.Service
	pages   *page.Codec
	logger  *slog.Logger
}

// CreateGrant implements connectionv1.GrantServiceServer.
func (s *grantServer) CreateGrant(ctx context.Context, req *connectionv1.CreateGrantRequest) (*connectionv1.CreateGrantResponse, error) {
	of, err := parseName("parent", req.GetParent())
	if err != nil {
		return nil, err
	}
	name := connection.GrantName{Connection: of, ID: req.GetGrantId()}
	g, err := s.service.CreateGrant(ctx, connection.GrantDraft{
		Name: name, EndUser: req.GetGrant().GetEndUserId(), Metadata: req.GetGrant().GetMetadata(),
		Credential: wire.ToCredential(req.GetGrant().GetCredential()),
	}, req.GetValidateOnly())
	if err != nil {
		return nil, s.fail(ctx, name.String(), err)
	}
	return &connectionv1.CreateGrantResponse{Grant: wire.FromGrant(g)}, nil
}

// GetGrant implements connectionv1.GrantServiceServer.
func (s *grantServer) GetGrant(ctx context.Context, req *connectionv1.GetGrantRequest) (*connectionv1.GetGrantResponse, error) {
	g, err := s.named(ctx, "name", req.GetName(), s.service.GetGrant)
	if err != nil {
		return nil, err
	}
	return &connectionv1.GetGrantResponse{Grant: wire.FromGrant(g)}, nil
}

// ListGrants implements connectionv1.GrantServiceServer.
func (s *grantServer) ListGrants(ctx context.Context, req *connectionv1.ListGrantsRequest) (*connectionv1.ListGrantsResponse, error) {
	of, err := parseName("parent", req.GetParent())
	if err != nil {
		return nil, err
	}
	query := connection.GrantQuery{Connection: of.ID, State: wire.ToState(req.GetState()), EndUser: req.GetEndUserId()}
	if of.ID == "-" {
		query.Connection = ""
	}
	if t := req.GetExpireBefore(); t != nil {
		query.ExpireBefore = t.AsTime()
	}
	tokenScope := strings.Join([]string{
		"ListGrants", req.GetParent(), string(query.State), query.EndUser, query.ExpireBefore.Format(time.RFC3339Nano),
	}, "|")
	if query.After, err = s.grantCursor(tokenScope, of.Project, req.GetPageToken()); err != nil {
		return nil, s.fail(ctx, req.GetParent(), err)
	}
	size := page.Size(req.GetPageSize())
	query.Limit = size + 1
	list, err := s.service.ListGrants(ctx, of.Project, query)
	if err != nil {
		return nil, s.fail(ctx, req.GetParent(), err)
	}
	response := &connectionv1.ListGrantsResponse{}
	if len(list) > size {
		list = list[:size]
		last := list[size-1]
		response.NextPageToken = s.pages.Encode(tokenScope, last.Name.Connection.ID, last.Name.ID,
			strconv.FormatInt(last.ExpireTime.UnixMicro(), 10))
	}
	for _, g := range list {
		response.Grants = append(response.Grants, wire.FromGrant(g))
	}
	return response, nil
}

// grantCursor is where a page of grants begins.
func (s *grantServer) grantCursor(tokenScope, project, token string) (connection.GrantCursor, error) {
	parts, err := s.pages.Decode(tokenScope, token)
	if err != nil || len(parts) != 3 {
		return connection.GrantCursor{}, err
	}
	expire, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil {
		return connection.GrantCursor{}, page.ErrInvalidToken
	}
	return connection.GrantCursor{
		ExpireTime: time.UnixMicro(expire),
		Name:       connection.GrantName{Connection: connection.Name{Project: project, ID: parts[0]}, ID: parts[1]},
	}, nil
}

// UpdateGrant implements connectionv1.GrantServiceServer.
func (s *grantServer) UpdateGrant(ctx context.Context, req *connectionv1.UpdateGrantRequest) (*connectionv1.UpdateGrantResponse, error) {
	g, err := s.named(ctx, "grant.name", req.GetGrant().GetName(), func(ctx context.Context, name connection.GrantName) (connection.Grant, error) {
		update, err := grantUpdate(req)
		if err != nil {
			return connection.Grant{}, err
		}
		return s.service.UpdateGrant(ctx, name, update)
	})
	if err != nil {
		return nil, err
	}
	return &connectionv1.UpdateGrantResponse{Grant: wire.FromGrant(g)}, nil
}

// grantUpdate is the change that a request asks for. Fields are replaced as a whole.
func grantUpdate(req *connectionv1.UpdateGrantRequest) (connection.GrantUpdate, error) {
	in, mask := req.GetGrant(), req.GetUpdateMask()
	changeable := []string{"end_user_id", "metadata", "credential"}
	fields := make(map[string]bool)
	for _, path := range mask.GetPaths() {
		switch top, _, _ := strings.Cut(path, "."); {
		case path == "*":
			for _, field := range changeable {
				fields[field] = field != "credential" || in.GetCredential() != nil
			}
		case !exists(in.ProtoReflect().Descriptor(), strings.Split(path, ".")):
			return connection.GrantUpdate{}, &maskError{path, "names no field of a grant, or one inside a map, which is replaced as a whole"}
		case slices.Contains(changeable, top):
			fields[top] = true
		}
	}
	if len(fields) == 0 && len(mask.GetPaths()) > 0 && !identifiesOnly(mask) {
		return connection.GrantUpdate{}, &maskError{
			strings.Join(mask.GetPaths(), ","), "names only fields that cannot be changed; those that can: " + strings.Join(changeable, ", "),
		}
	}
	unmasked := len(mask.GetPaths()) == 0
	update := connection.GrantUpdate{ETag: in.GetEtag(), ValidateOnly: req.GetValidateOnly()}
	if fields["end_user_id"] || unmasked && in.GetEndUserId() != "" {
		update.EndUser = new(in.GetEndUserId())
	}
	if fields["metadata"] || unmasked && len(in.GetMetadata()) > 0 {
		update.Metadata = new(in.GetMetadata())
	}
	if fields["credential"] || unmasked && in.GetCredential() != nil {
		update.Credential = new(wire.ToCredential(in.GetCredential()))
	}
	return update, nil
}

// RevokeGrant implements connectionv1.GrantServiceServer.
func (s *grantServer) RevokeGrant(ctx context.Context, req *connectionv1.RevokeGrantRequest) (*connectionv1.RevokeGrantResponse, error) {
	g, err := s.named(ctx, "name", req.GetName(), s.service.RevokeGrant)
	if err != nil {
		return nil, err
	}
	return &connectionv1.RevokeGrantResponse{Grant: wire.FromGrant(g)}, nil
}

// DeleteGrant implements connectionv1.GrantServiceServer.
func (s *grantServer) DeleteGrant(ctx context.Context, req *connectionv1.DeleteGrantRequest) (*connectionv1.DeleteGrantResponse, error) {
	g, err := s.named(ctx, "name", req.GetName(), func(ctx context.Context, name connection.GrantName) (connection.Grant, error) {
		return s.service.DeleteGrant(ctx, name, req.GetEtag(), !req.GetSkipRevocation())
	})
	if err != nil {
		return nil, err
	}
	return &connectionv1.DeleteGrantResponse{Grant: wire.FromGrant(g)}, nil
}

// named runs a use case on the grant of a name.
func (s *grantServer) named(
	ctx context.Context, field, name string, run func(context.Context, connection.GrantName) (connection.Grant, error),
) (connection.Grant, error) {
	parsed, err := connection.ParseGrantName(name)
	if err != nil {
		return connection.Grant{}, rpcerr.Invalid(rpcerr.Violation{
			Field: field, Description: "must have the form projects/{project}/connections/{connection}/grants/{grant}",
		})
	}
	g, err := run(ctx, parsed)
	return g, s.fail(ctx, name, err)
}

func (s *grantServer) fail(ctx context.Context, name string, err error) error {
	return toStatus(ctx, s.logger, name, err)
}
