package tokensource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/sdk/dpop"
)

// ProofRequest says what a proof of possession is for.
type ProofRequest struct {
	// Method and URL of the request.
	Method, URL string
	// Nonce is the latest that the server gave with an answer, see
	// [dpop.Nonces]. Empty: it gave none.
	Nonce string
	// Fingerprint of the token that the request carries, see [tokenv1.Token].
	// Empty: the current one.
	Fingerprint string
}

// Proof returns the value of the header DPoP of a request with a token that is
// bound to a key (RFC 9449). Each request needs one of its own. Needed only by
// applications that do not use [Source.RoundTripper].
//
// Errors: the gRPC status of the call, FAILED_PRECONDITION if the fingerprint is
// no longer that of the current token, or the token is not bound; [ErrClosed].
func (s *Source) Proof(ctx context.Context, request ProofRequest) (string, error) {
	ctx, stop := s.bounded(ctx)
	defer stop()
	answer, err := s.proofs.CreateDpopProof(ctx, &tokenv1.CreateDpopProofRequest{
		Name: s.name, HttpMethod: request.Method, Url: request.URL, Nonce: request.Nonce, Fingerprint: request.Fingerprint,
	})
	if err != nil && errors.Is(context.Cause(ctx), ErrClosed) {
		return "", ErrClosed
	}
	if err != nil {
		return "", fmt.Errorf("tokensource: %s: CreateDpopProof: %w", s.name, err)
	}
	return answer.GetProof(), nil
}

// proofFor returns the proof for a caller's request with a token, empty if it
// needs none, and the token that it is for: another one if the given one was
// replaced in this moment.
func (s *Source) proofFor(request *http.Request, token *tokenv1.Token) (string, *tokenv1.Token, error) {
	for {
		if token.GetDpop() == nil {
			return "", token, nil
		}
		method := request.Method
		if method == "" {
			method = http.MethodGet // as http.Request has it
		}
		target := *request.URL
		target.User, target.RawQuery, target.Fragment = nil, "", "" // no part of a proof
		if request.Host != "" {
			target.Host = request.Host // what the server knows itself by
		}
		proof, err := s.Proof(request.Context(), ProofRequest{
			Method: method, URL: target.String(), Nonce: s.nonces.For(request.URL), Fingerprint: token.GetFingerprint(),
		})
		if err == nil {
			return proof, token, nil
		}
		if status.Code(err) != codes.FailedPrecondition {
			return "", nil, err
		}
		if token = s.successor(request.Context(), token); token == nil {
			return "", nil, err
		}
	}
}

// successor waits, within the rejection wait and ctx, for another token than
// the given one; nil if none comes.
func (s *Source) successor(ctx context.Context, token *tokenv1.Token) *tokenv1.Token {
	ctx, cancel := context.WithTimeout(ctx, s.opts.rejectionWait)
	defer cancel()
	for {
		updated := s.Updated()
		if next := s.other(token); next != nil {
			return next
		}
		if _, err := s.usable(); err != nil && s.final(err) {
			return nil
		}
		select {
		case <-updated:
		case <-ctx.Done():
			return nil
		}
	}
}

// challenged reports whether a server wants another nonce in the proof of a
// request with a bound token: it has processed nothing, and refused no token.
func challenged(token *tokenv1.Token, response *http.Response) bool {
	return token.GetDpop() != nil && dpop.Challenged(response.StatusCode, response.Header)
}

// heed remembers the nonce of an answer, and reports whether the request is
// worth sending once more because of it.
func (t *transport) heed(out *outgoing, token *tokenv1.Token, response *http.Response) bool {
	if token.GetDpop() == nil {
		return false
	}
	nonce := t.source.nonces.Learn(out.request.URL, response.Header, time.Now())
	return nonce != "" && challenged(token, response) && out.replayable()
}

// drain ends an answer that does not matter, so that its connection can be used
// again.
func drain(response *http.Response) {
	_, _ = io.CopyN(io.Discard, response.Body, drainLimit)
	_ = response.Body.Close()
}
