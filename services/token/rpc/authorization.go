package rpc

import (
	"context"
	"errors"

	"google.golang.org/protobuf/types/known/durationpb"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/settings"
)

// authorization implements AuthorizationInternalService.
type authorization struct {
	tokenv1.UnimplementedAuthorizationInternalServiceServer
	*edge
}

// PushAuthorizationRequest implements AuthorizationInternalService.
func (a *authorization) PushAuthorizationRequest(
	ctx context.Context, in *tokenv1.PushAuthorizationRequestRequest,
) (*tokenv1.PushAuthorizationRequestResponse, error) {
	s, err := settings.FromProto(in.GetSettings())
	if failure, ok := errors.AsType[*token.Failure](err); ok {
		return nil, rpcerr.Invalid(rpcerr.Violation{Field: "settings", Description: failure.Message})
	}
	if err != nil {
		return nil, a.fail(ctx, token.Key{}, err)
	}
	requestURI, lifetime, err := a.svc.PushAuthorization(ctx, s, in.GetParameters())
	if err != nil {
		return nil, a.fail(ctx, token.Key{}, err)
	}
	return &tokenv1.PushAuthorizationRequestResponse{RequestUri: requestURI.Reveal(), Lifetime: durationpb.New(lifetime)}, nil
}

// GetAnswerValues implements AuthorizationInternalService.
func (a *authorization) GetAnswerValues(ctx context.Context, in *tokenv1.GetAnswerValuesRequest) (*tokenv1.GetAnswerValuesResponse, error) {
	key, err := token.ParseName(in.GetName())
	if err != nil {
		return nil, a.fail(ctx, key, err)
	}
	values, err := a.svc.Captured(ctx, key)
	if err != nil {
		return nil, a.fail(ctx, key, err)
	}
	return &tokenv1.GetAnswerValuesResponse{Values: values}, nil
}
