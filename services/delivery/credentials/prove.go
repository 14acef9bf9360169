package credentials

import (
	"context"

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
