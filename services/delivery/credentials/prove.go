package credentials

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// Prove implements delivery.Credentials: the token service has the keys.
func (w *Watcher) Prove(ctx context.Context, connection, fingerprint string, proof delivery.ProofRequest) (string, error) {
	answer, err := w.proofs.CreateDpopProof(ctx, &tokenv1.CreateDpopProofRequest{
		Name: connection + "/token", HttpMethod: proof.Method, Url: proof.URL, Nonce: proof.Nonce, Fingerprint: fingerprint,
	})
	switch {
	case err == nil:
		return answer.GetProof(), nil
	case rpcerr.ReasonOf(err) == errorsv1.Reason_TOKEN_SUPERSEDED:
		return "", delivery.ErrSuperseded
	default:
		return "", err
	}
}

// Sign implements delivery.Credentials: the token service has the secrets.
func (w *Watcher) Sign(ctx context.Context, connection string, request delivery.SignatureRequest) (string, error) {
	answer, err := w.signer.SignRequest(ctx, &tokenv1.SignRequestRequest{
		Name: connection + "/token", HttpMethod: request.Method, Url: request.URL, Form: request.Form,
	})
	if status.Code(err) == codes.InvalidArgument {
		return "", delivery.ErrNotSignable
	}
	return answer.GetAuthorization(), err
}
