package rpc

import (
	"context"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/token"
)

// proofs implements DpopService.
type proofs struct {
	tokenv1.UnimplementedDpopServiceServer
	*edge
}

// CreateDpopProof implements DpopService.
func (p *proofs) CreateDpopProof(ctx context.Context, in *tokenv1.CreateDpopProofRequest) (*tokenv1.CreateDpopProofResponse, error) {
	key, err := token.ParseName(in.GetName())
	if err != nil {
		return nil, p.fail(ctx, key, err)
	}
	proof, err := p.svc.Prove(ctx, key, token.ProofRequest{
		Method: in.GetHttpMethod(), URL: in.GetUrl(), Nonce: in.GetNonce(), Fingerprint: in.GetFingerprint(),
	})
	if err != nil {
		return nil, p.fail(ctx, key, err)
	}
	return &tokenv1.CreateDpopProofResponse{Proof: proof.Text, Generation: proof.Generation, Fingerprint: proof.Fingerprint}, nil
}
