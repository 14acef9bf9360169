package rpc

import (
	"context"
	"log/slog"
	"net/url"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/connect"
	"github.com/freshet-io/freshet/services/connection/wire"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// connectServer serves applications that have end users connect their accounts.
type connectServer struct {
	connectionv1.UnimplementedConnectServiceServer
	service *connect.Service
	logger  *slog.Logger
}

// StartAuthorization implements connectionv1.ConnectServiceServer.
func (s *connectServer) StartAuthorization(
	ctx context.Context, req *connectionv1.StartAuthorizationRequest,
) (*connectionv1.StartAuthorizationResponse, error) {
	of, err := parseName("parent", req.GetParent())
	if err != nil {
		return nil, err
	}
	request := connect.Request{
		EndUser: req.GetEndUserId(), ReturnURL: req.GetReturnUrl(), Scopes: req.GetScopes(), Parameters: req.GetAuthorizationParameters(),
		Locale: req.GetLocale(), SkipPage: req.GetSkipPage(),
	}
	if len(req.GetMetadata()) > 0 {
		request.Metadata = req.GetMetadata()
	}
	session, link, err := s.service.Start(ctx, of, req.GetGrantId(), request)
	if err != nil {
		return nil, toStatus(ctx, s.logger, of.String()+sessionsPart, err)
	}
	m := wire.FromSession(session)
	m.ConnectUrl = link
	return &connectionv1.StartAuthorizationResponse{AuthorizationSession: m}, nil
}

// GetAuthorizationSession implements connectionv1.ConnectServiceServer.
func (s *connectServer) GetAuthorizationSession(
	ctx context.Context, req *connectionv1.GetAuthorizationSessionRequest,
) (*connectionv1.GetAuthorizationSessionResponse, error) {
	name, err := connect.ParseName(req.GetName())
	if err != nil {
		return nil, rpcerr.Invalid(rpcerr.Violation{
			Field: "name", Description: "must have the form projects/{project}/connections/{connection}/authorizationSessions/{session}",
		})
	}
	session, err := s.service.Get(ctx, name)
	if err != nil {
		return nil, toStatus(ctx, s.logger, name.String(), err)
	}
	return &connectionv1.GetAuthorizationSessionResponse{AuthorizationSession: wire.FromSession(session)}, nil
}

// browserServer serves the gateway, on behalf of end users' browsers.
type browserServer struct {
	connectionv1.UnimplementedConnectInternalServiceServer
	service *connect.Service
	logger  *slog.Logger
}

// ShowConnect implements connectionv1.ConnectInternalServiceServer.
func (s *browserServer) ShowConnect(ctx context.Context, req *connectionv1.ShowConnectRequest) (*connectionv1.ShowConnectResponse, error) {
	view, err := s.service.Show(ctx, req.GetLink())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &connectionv1.ShowConnectResponse{View: wire.FromView(view)}, nil
}

// BeginConnect implements connectionv1.ConnectInternalServiceServer.
func (s *browserServer) BeginConnect(ctx context.Context, req *connectionv1.BeginConnectRequest) (*connectionv1.BeginConnectResponse, error) {
	view, err := s.service.Begin(ctx, req.GetLink(), req.GetBrowser())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &connectionv1.BeginConnectResponse{View: wire.FromView(view)}, nil
}

// FinishConnect implements connectionv1.ConnectInternalServiceServer.
func (s *browserServer) FinishConnect(ctx context.Context, req *connectionv1.FinishConnectRequest) (*connectionv1.FinishConnectResponse, error) {
	callback := url.Values{}
	for _, p := range req.GetParameters() {
		callback.Add(p.GetName(), p.GetValue())
	}
	view, err := s.service.Finish(ctx, callback, req.GetBrowser())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &connectionv1.FinishConnectResponse{View: wire.FromView(view)}, nil
}

func (s *browserServer) fail(ctx context.Context, err error) error {
	return toStatus(ctx, s.logger, sessionsPart, err)
}

var _ connect.Grants = (*connection.Service)(nil)
