package rpc

import (
	"context"
	"errors"

	"google.golang.org/grpc"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/settings"
)

// AuthorizeToken implements TokenInternalService.
func (i *internal) AuthorizeToken(ctx context.Context, in *tokenv1.AuthorizeTokenRequest) (*tokenv1.AuthorizeTokenResponse, error) {
	status, err := i.status(ctx, in.GetName(), func(key token.Key) (token.Token, error) {
		return i.svc.Authorize(ctx, key, in.GetConnectionUid(), in.GetRevision())
	})
	if err != nil {
		return nil, err
	}
	return &tokenv1.AuthorizeTokenResponse{Status: status}, nil
}

// DeauthorizeToken implements TokenInternalService.
func (i *internal) DeauthorizeToken(ctx context.Context, in *tokenv1.DeauthorizeTokenRequest) (*tokenv1.DeauthorizeTokenResponse, error) {
	status, err := i.status(ctx, in.GetName(), func(key token.Key) (token.Token, error) {
		return i.svc.Deauthorize(ctx, key, in.GetConnectionUid(), in.GetRevision(), in.GetRevoke())
	})
	if err != nil {
		return nil, err
	}
	return &tokenv1.DeauthorizeTokenResponse{Status: status}, nil
}

// status runs a use case on a token by name and converts the token's state after it.
func (i *internal) status(ctx context.Context, name string, use func(token.Key) (token.Token, error)) (*tokenv1.TokenStatus, error) {
	key, err := token.ParseName(name)
	if err != nil {
		return nil, i.fail(ctx, key, err)
	}
	t, err := use(key)
	if err != nil {
		return nil, i.fail(ctx, key, err)
	}
	shown := t.Revealed(i.svc.Now())
	return statusProto(&shown), nil
}

// DeleteToken implements TokenInternalService.
func (i *internal) DeleteToken(ctx context.Context, in *tokenv1.DeleteTokenRequest) (*tokenv1.DeleteTokenResponse, error) {
	key, err := token.ParseName(in.GetName())
	if err == nil {
		err = i.svc.Delete(ctx, key, in.GetConnectionUid(), in.GetRevoke())
	}
	if err != nil {
		return nil, i.fail(ctx, key, err)
	}
	return &tokenv1.DeleteTokenResponse{}, nil
}

// TryAuthorization implements TokenInternalService.
func (i *internal) TryAuthorization(ctx context.Context, in *tokenv1.TryAuthorizationRequest) (*tokenv1.TryAuthorizationResponse, error) {
	s, err := settings.FromProto(in.GetSettings())
	if failure, ok := errors.AsType[*token.Failure](err); ok {
		return nil, rpcerr.Invalid(rpcerr.Violation{Field: "settings", Description: failure.Message})
	}
	if err != nil {
		return nil, i.fail(ctx, token.Key{}, err)
	}
	trial, err := i.svc.Try(ctx, s)
	if err != nil {
		return nil, i.fail(ctx, token.Key{}, err)
	}
	return trialProto(&trial), nil
}

// WatchTokenStates implements TokenInternalService.
func (i *internal) WatchTokenStates(in *tokenv1.WatchTokenStatesRequest, stream grpc.ServerStreamingServer[tokenv1.WatchTokenStatesResponse]) error {
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	if i.draining != nil {
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			select {
			case <-i.draining:
				cancel(token.ErrShuttingDown)
			case <-stop:
			}
		}()
	}
	scope := token.StatesScope{Idle: defaultHeartbeat}
	if since := in.GetGrantsSince(); since != nil {
		scope.Grants, scope.GrantsSince = true, since.AsTime()
	}
	err := i.svc.WatchStates(ctx, scope, token.StatesSink{
		State: func(u *token.Update) error {
			out := &tokenv1.TokenStatus{Name: u.Token.Key.Name(), Deleted: true}
			if !u.Deleted {
				shown := u.Token.Revealed(i.svc.Now())
				out = statusProto(&shown)
			}
			return stream.Send(&tokenv1.WatchTokenStatesResponse{Event: &tokenv1.WatchTokenStatesResponse_Status{Status: out}})
		},
		Synced: func() error {
			return stream.Send(&tokenv1.WatchTokenStatesResponse{
				Event: &tokenv1.WatchTokenStatesResponse_Synced{Synced: &tokenv1.WatchTokenStatesSynced{}},
			})
		},
		Idle: func() error {
			return stream.Send(&tokenv1.WatchTokenStatesResponse{
				Event: &tokenv1.WatchTokenStatesResponse_Heartbeat{Heartbeat: &tokenv1.WatchTokenStatesHeartbeat{}},
			})
		},
	})
	if cause := context.Cause(ctx); errors.Is(cause, token.ErrShuttingDown) {
		err = cause
	}
	return i.fail(ctx, token.Key{}, err)
}
