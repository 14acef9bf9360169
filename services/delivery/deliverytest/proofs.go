package deliverytest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// Bound makes the next generation of a connection's token one that is bound to a key (RFC 9449), which CreateDpopProof has.
func (s *Tokens) Bound(t testing.TB, connection, accessToken string) *tokenv1.Token {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	options := (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options)
	require.NoError(t, err)
	s.mu.Lock()
	s.prover = signer
	s.mu.Unlock()
	return s.Put(connection, &tokenv1.Token{
		State: tokenv1.Token_AUTHORIZED, AccessToken: accessToken, TokenType: "DPoP", Fingerprint: seal.NewSecret(accessToken).Fingerprint(),
		Dpop: &tokenv1.DpopBinding{JwkThumbprint: "of the key"},
		Credential: &tokenv1.HttpCredential{
			Headers: []*tokenv1.HttpCredentialField{{Key: "Authorization", Value: "DPoP " + accessToken}},
		},
	})
}

// CreateDpopProof implements tokenv1.DpopServiceServer.
func (s *Tokens) CreateDpopProof(_ context.Context, req *tokenv1.CreateDpopProofRequest) (*tokenv1.CreateDpopProofResponse, error) {
	if s.OnProve != nil {
		if err := s.OnProve(req); err != nil {
			return nil, err
		}
	}
	token, _ := s.current(req.GetName())
	if token.GetFingerprint() != req.GetFingerprint() {
		return nil, refused(errorsv1.Reason_TOKEN_SUPERSEDED)
	}
	sum := sha256.Sum256([]byte(token.GetAccessToken()))
	target, _, _ := strings.Cut(req.GetUrl(), "?")
	claims := map[string]any{
		"jti": rand.Text(), "htm": req.GetHttpMethod(), "htu": target, "iat": time.Now().Unix(),
		"ath": base64.RawURLEncoding.EncodeToString(sum[:]), "nonce": req.GetNonce(),
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	signed, err := s.prover.Sign(payload)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	text, err := signed.CompactSerialize()
	return &tokenv1.CreateDpopProofResponse{Proof: text, Generation: token.GetGeneration(), Fingerprint: token.GetFingerprint()}, err
}

// refused is the token service's status for a reason.
func refused(reason errorsv1.Reason) error {
	st, err := status.New(codes.FailedPrecondition, "refused").WithDetails(&errdetails.ErrorInfo{Domain: "freshet.io", Reason: reason.String()})
	if err != nil {
		return err
	}
	return st.Err()
}
