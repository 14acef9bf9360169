package rpc

import (
	"context"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/internal/page"
	"github.com/freshet-io/freshet/services/token"
)

// GetToken implements TokenService.
func (p *public) GetToken(ctx context.Context, in *tokenv1.GetTokenRequest) (*tokenv1.GetTokenResponse, error) {
	out, err := p.answer(ctx, in.GetName(), func(key token.Key) (token.Token, error) {
		return p.svc.Get(ctx, key, in.GetMinTtl().AsDuration())
	})
	if err != nil {
		return nil, err
	}
	return &tokenv1.GetTokenResponse{Token: out}, nil
}

// RefreshToken implements TokenService.
func (p *public) RefreshToken(ctx context.Context, in *tokenv1.RefreshTokenRequest) (*tokenv1.RefreshTokenResponse, error) {
	out, err := p.answer(ctx, in.GetName(), func(key token.Key) (token.Token, error) { return p.svc.Refresh(ctx, key) })
	if err != nil {
		return nil, err
	}
	return &tokenv1.RefreshTokenResponse{Token: out}, nil
}

// SimulateExpiry implements TokenService.
func (p *public) SimulateExpiry(ctx context.Context, in *tokenv1.SimulateExpiryRequest) (*tokenv1.SimulateExpiryResponse, error) {
	out, err := p.answer(ctx, in.GetName(), func(key token.Key) (token.Token, error) {
		return p.svc.SimulateExpiry(ctx, key, in.GetExpireIn().AsDuration())
	})
	if err != nil {
		return nil, err
	}
	return &tokenv1.SimulateExpiryResponse{Token: out}, nil
}

// SimulateFailure implements TokenService.
func (p *public) SimulateFailure(ctx context.Context, in *tokenv1.SimulateFailureRequest) (*tokenv1.SimulateFailureResponse, error) {
	out, err := p.answer(ctx, in.GetName(), func(key token.Key) (token.Token, error) {
		failing := token.Class("")
		if in.GetFailureClass() != tokenv1.FailureClass_FAILURE_CLASS_UNSPECIFIED {
			failing = token.Class(in.GetFailureClass().String())
		}
		return p.svc.SimulateFailure(ctx, key, failing, in.GetDuration().AsDuration())
	})
	if err != nil {
		return nil, err
	}
	return &tokenv1.SimulateFailureResponse{Token: out}, nil
}

// answer runs a use case on a token by name and converts what it returns.
func (e *edge) answer(ctx context.Context, name string, use func(token.Key) (token.Token, error)) (*tokenv1.Token, error) {
	key, err := token.ParseName(name)
	if err != nil {
		return nil, e.fail(ctx, key, err)
	}
	t, err := use(key)
	if err != nil {
		return nil, e.fail(ctx, key, err)
	}
	out := e.present(&t)
	e.svc.Served(ctx, &t)
	return out, nil
}

// ReportRejected implements TokenService.
func (p *public) ReportRejected(ctx context.Context, in *tokenv1.ReportRejectedRequest) (*tokenv1.ReportRejectedResponse, error) {
	key, err := token.ParseName(in.GetName())
	if err != nil {
		return nil, p.fail(ctx, key, err)
	}
	current, generation, err := p.svc.ReportRejected(ctx, key, in.GetFingerprint())
	if err != nil {
		return nil, p.fail(ctx, key, err)
	}
	return &tokenv1.ReportRejectedResponse{Current: current, Generation: generation}, nil
}

// ListRotations implements TokenService.
func (p *public) ListRotations(ctx context.Context, in *tokenv1.ListRotationsRequest) (*tokenv1.ListRotationsResponse, error) {
	key, err := token.ParseName(in.GetParent())
	if err != nil {
		return nil, p.fail(ctx, key, err)
	}
	scope := tokenv1.TokenService_ListRotations_FullMethodName + "/" + in.GetParent()
	cursor, err := p.pages.Decode(scope, in.GetPageToken())
	if err == nil && cursor != nil && len(cursor) != 1 {
		err = page.ErrInvalidToken
	}
	if err != nil {
		return nil, p.fail(ctx, key, err)
	}
	before := ""
	if cursor != nil {
		before = cursor[0]
	}
	size := page.Size(in.GetPageSize())
	rotations, err := p.svc.Rotations(ctx, key, before, size+1) // one more tells whether there is a next page
	if err != nil {
		return nil, p.fail(ctx, key, err)
	}
	out := &tokenv1.ListRotationsResponse{}
	if len(rotations) > size {
		rotations = rotations[:size]
		out.NextPageToken = p.pages.Encode(scope, rotations[size-1].ID)
	}
	for i := range rotations {
		out.Rotations = append(out.Rotations, rotationProto(&rotations[i]))
	}
	return out, nil
}
