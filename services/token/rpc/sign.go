package rpc

import (
	"context"
	"errors"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/oauth1"
)

// signatures implements Oauth1Service.
type signatures struct {
	tokenv1.UnimplementedOauth1ServiceServer
	*edge
}

// SignRequest implements Oauth1Service.
func (s *signatures) SignRequest(ctx context.Context, in *tokenv1.SignRequestRequest) (*tokenv1.SignRequestResponse, error) {
	key, err := token.ParseName(in.GetName())
	if err != nil {
		return nil, s.fail(ctx, key, err)
	}
	signature, err := s.svc.Sign(ctx, key, oauth1.Request{Method: in.GetHttpMethod(), URL: in.GetUrl(), Form: in.GetForm()}, in.GetFingerprint())
	if err != nil {
		return nil, s.fail(ctx, key, err)
	}
	return &tokenv1.SignRequestResponse{
		Authorization: signature.Authorization, Generation: signature.Generation, Fingerprint: signature.Fingerprint,
	}, nil
}

// notSignable answers a request that cannot be signed.
func notSignable(err error) error {
	switch {
	case errors.Is(err, oauth1.ErrURL):
		return rpcerr.Invalid(rpcerr.Violation{Field: "url", Description: "must be absolute, of scheme http or https, with a query of valid encoding"})
	case errors.Is(err, oauth1.ErrForm):
		return rpcerr.Invalid(rpcerr.Violation{Field: "form", Description: "must be of valid encoding"})
	case errors.Is(err, oauth1.ErrProtocolParameter):
		return rpcerr.Invalid(rpcerr.Violation{Field: "url", Description: "must have no parameters of the signature, such as oauth_nonce, nor may the form"})
	}
	return nil
}
