package tokensource_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/sdk/tokensource"
)

// CreateDpopProof proves nothing, but says what was asked for.
func (s *tokenServer) CreateDpopProof(
	_ context.Context, request *tokenv1.CreateDpopProofRequest,
) (*tokenv1.CreateDpopProofResponse, error) {
	if s.onProof != nil {
		if err := s.onProof(); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if request.GetFingerprint() != s.token.GetFingerprint() {
		return nil, status.Error(codes.FailedPrecondition, "superseded")
	}
	return &tokenv1.CreateDpopProofResponse{Proof: proofOf(
		request.GetHttpMethod(), request.GetUrl(), request.GetNonce(), request.GetFingerprint(),
	)}, nil
}

func proofOf(method, url, nonce, fingerprint string) string {
	return fmt.Sprintf("%s %s %s %s", method, url, nonce, fingerprint)
}

// bound is a token that is bound to a key.
func bound(generation int64, accessToken string) *tokenv1.Token {
	token := bearer(generation, accessToken, time.Hour)
	token.TokenType, token.Dpop = "DPoP", &tokenv1.DpopBinding{JwkThumbprint: "thumb"}
	token.Credential = &tokenv1.HttpCredential{Headers: []*tokenv1.HttpCredentialField{{Key: "Authorization", Value: "DPoP " + accessToken}}}
	return token
}

// provedAPI takes bound tokens with a proof that has its nonce, unless that is empty.
type provedAPI struct {
	mu       sync.Mutex
	nonce    string
	fixed    bool // else every answer has another nonce
	requests int
	refused  []string // proofs
}

func (a *provedAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests++
	wanted := a.nonce
	if !a.fixed {
		a.nonce = fmt.Sprint("n-", a.requests)
	}
	w.Header().Set("DPoP-Nonce", a.nonce)
	access := strings.TrimPrefix(r.Header.Get("Authorization"), "DPoP ")
	if r.Header.Get("DPoP") != proofOf(r.Method, "http://"+r.Host+r.URL.Path, wanted, fingerprint(access)) {
		a.refused = append(a.refused, r.Header.Get("DPoP"))
		w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	_, _ = w.Write(body)
}

func TestBoundTokenIsProved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bound(1, "first"))
		handler := &provedAPI{nonce: "n-0", fixed: true}
		client := http.Client{Transport: newSource(t, server).RoundTripper(serveHTTP(t, handler))}
		for i := range 3 {
			response, err := client.Post("http://localhost/orders?secret=1", "text/plain", strings.NewReader("hello"))
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, response.StatusCode, i)
			require.Equal(t, "hello", bodyOf(t, response))
		}
		require.Equal(t, 4, handler.requests, "the nonce comes with the first refusal, and is remembered")
		require.Equal(t, []string{proofOf("POST", "http://localhost/orders", "", fingerprint("first"))}, handler.refused)
		require.Empty(t, server.reported())
	})
}

func TestNewNonceWithEachAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := &provedAPI{nonce: "n-0"}
		client := http.Client{Transport: newSource(t, newTokenServer(bound(1, "first"))).RoundTripper(serveHTTP(t, handler))}
		for range 3 {
			response, err := client.Get("http://localhost/")
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, response.StatusCode)
			bodyOf(t, response)
		}
		require.Equal(t, 4, handler.requests)
	})
}

// TestChallengeIsNoRefusal of the token: it is not reported, neither when the request cannot be repeated nor when that does not help.
func TestChallengeIsNoRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bound(1, "first"))
		requests := 0
		handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			requests++
			w.Header().Set("DPoP-Nonce", fmt.Sprint("n-", requests))
			w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce"`)
			w.WriteHeader(http.StatusUnauthorized)
		})
		client := http.Client{Transport: newSource(t, server).RoundTripper(serveHTTP(t, handler))}
		response, err := client.Get("http://localhost/")
		require.NoError(t, err)
		require.Equal(t, http.StatusUnauthorized, response.StatusCode)
		bodyOf(t, response)
		require.Equal(t, 2, requests)
		response, err = client.Post("http://localhost/", "text/plain", io.MultiReader(strings.NewReader("once")))
		require.NoError(t, err)
		require.Equal(t, http.StatusUnauthorized, response.StatusCode)
		bodyOf(t, response)
		require.Equal(t, 3, requests)
		require.Empty(t, server.reported())
	})
}

// TestTokenReplacedBeforeItsProof: the next one is on its way, and is used.
func TestTokenReplacedBeforeItsProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bound(1, "first"))
		source := newSource(t, server)
		server.mu.Lock()
		server.token = bound(2, "second") // the watcher has not heard of it yet
		server.mu.Unlock()
		time.AfterFunc(time.Second, func() { server.push(bound(2, "second")) })
		handler := &provedAPI{nonce: "", fixed: true}
		response, err := (&http.Client{Transport: source.RoundTripper(serveHTTP(t, handler))}).Get("http://localhost/")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, response.StatusCode)
		bodyOf(t, response)
		require.Equal(t, 1, handler.requests)
	})
}

func TestNoProofNoRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newTokenServer(bound(1, "first"))
		server.onProof = func() error { return status.Error(codes.Unavailable, "down") }
		source := newSource(t, server)
		handler := &provedAPI{}
		_, err := (&http.Client{Transport: source.RoundTripper(serveHTTP(t, handler))}).Get("http://localhost/")
		require.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
		require.Zero(t, handler.requests)
		_, err = source.PerRPCCredentials().GetRequestMetadata(t.Context())
		require.Equal(t, codes.Unauthenticated, status.Code(err))
		source.Close()
		_, err = source.Proof(t.Context(), tokensource.ProofRequest{Method: "GET", URL: "http://localhost/"})
		require.ErrorIs(t, err, tokensource.ErrClosed)
	})
}
