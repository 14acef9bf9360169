package rpc

import (
	"context"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/token"
)

// EndSimulations implements RehearsalService.
func (r *rehearsal) EndSimulations(ctx context.Context, in *tokenv1.EndSimulationsRequest) (*tokenv1.EndSimulationsResponse, error) {
	out, err := r.answer(ctx, in.GetName(), func(key token.Key) (token.Token, error) {
		return r.svc.EndSimulations(ctx, key)
	})
	if err != nil {
		return nil, err
	}
	return &tokenv1.EndSimulationsResponse{Token: out}, nil
}
