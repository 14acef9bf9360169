package interop

import (
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v3"
	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/storage"
	"github.com/stretchr/testify/require"
)

const (
	keyClient    = "freshet"  // authenticates by private_key_jwt
	secretClient = "importer" // by HTTP Basic
	secret       = "a secret of the importer"
	redirectURI  = "https://app.example/callback"
	scope        = "photos"
	offline      = "offline_access"
	lifetime     = time.Hour
)

// authServer is fosite behind HTTP.
type authServer struct {
	*httptest.Server
	provider fosite.OAuth2Provider

	mu       sync.Mutex // one request at a time: fosite's store in memory is not made for more
	redeemed []string   // refresh tokens, as they were presented
	reuses   int        // that fosite found
	answered func()     // if set, is called before the next answer to a refresh leaves, and forgotten
}

// newAuthServer starts the server with its clients. key is the public one of keyClient.
func newAuthServer(t *testing.T, key *ecdsa.PublicKey) *authServer {
	t.Helper()
	s := &authServer{}
	mux := http.NewServeMux()
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	config := &fosite.Config{
		GlobalSecret: []byte("a global secret of thirty-two by"), TokenURL: s.tokenEndpoint(), AccessTokenLifespan: lifetime,
		RefreshTokenScopes: []string{offline}, HashCost: 4,
	}
	hash, err := (&fosite.BCrypt{Config: config}).Hash(t.Context(), []byte(secret))
	require.NoError(t, err)
	client := func(id string) *fosite.DefaultClient {
		return &fosite.DefaultClient{
			ID: id, Secret: hash, RedirectURIs: []string{redirectURI}, ResponseTypes: []string{"code"},
			GrantTypes: []string{"authorization_code", "refresh_token", "client_credentials"}, Scopes: []string{scope, offline},
		}
	}
	store := storage.NewMemoryStore()
	store.Clients[secretClient] = client(secretClient)
	store.Clients[keyClient] = &fosite.DefaultOpenIDConnectClient{
		DefaultClient:           client(keyClient),
		JSONWebKeys:             &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: "k1", Use: "sig", Algorithm: "ES256"}}},
		TokenEndpointAuthMethod: "private_key_jwt", TokenEndpointAuthSigningAlgorithm: "ES256",
	}
	s.provider = compose.Compose(config, store, &compose.CommonStrategy{CoreStrategy: compose.NewOAuth2HMACStrategy(config)},
		compose.OAuth2AuthorizeExplicitFactory, compose.OAuth2ClientCredentialsGrantFactory, compose.OAuth2RefreshTokenGrantFactory,
		compose.OAuth2TokenIntrospectionFactory, compose.OAuth2TokenRevocationFactory)
	mux.HandleFunc("GET /authorize", s.authorize)
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("POST /introspect", s.introspect)
	mux.HandleFunc("POST /revoke", s.revoke)
	return s
}

func (s *authServer) tokenEndpoint() string { return s.URL + "/token" }

// authorize grants what is asked for, as an end user would who agrees to everything.
func (s *authServer) authorize(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx := r.Context()
	request, err := s.provider.NewAuthorizeRequest(ctx, r)
	if err != nil {
		s.provider.WriteAuthorizeError(ctx, w, request, err)
		return
	}
	for _, asked := range request.GetRequestedScopes() {
		request.GrantScope(asked)
	}
	response, err := s.provider.NewAuthorizeResponse(ctx, request, &fosite.DefaultSession{Subject: "user"})
	if err != nil {
		s.provider.WriteAuthorizeError(ctx, w, request, err)
		return
	}
	s.provider.WriteAuthorizeResponse(ctx, w, request, response)
}

func (s *authServer) token(w http.ResponseWriter, r *http.Request) {
	answered := s.issue(w, r)
	if answered != nil {
		answered()
	}
}

// issue answers a token request. It returns what is to be done before that leaves: net/http sends it when the handler returns.
func (s *authServer) issue(w http.ResponseWriter, r *http.Request) (answered func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx := r.Context()
	request, err := s.provider.NewAccessRequest(ctx, r, &fosite.DefaultSession{})
	presented := r.PostForm.Get("refresh_token")
	if presented != "" {
		s.redeemed = append(s.redeemed, presented)
	}
	if errors.Is(err, fosite.ErrInactiveToken) {
		s.reuses++
	}
	if err != nil {
		s.provider.WriteAccessError(ctx, w, request, err)
		return nil
	}
	if request.GetGrantTypes().ExactOne("client_credentials") {
		for _, asked := range request.GetRequestedScopes() {
			request.GrantScope(asked)
		}
	}
	response, err := s.provider.NewAccessResponse(ctx, request)
	if err != nil {
		s.provider.WriteAccessError(ctx, w, request, err)
		return nil
	}
	s.provider.WriteAccessResponse(ctx, w, request, response)
	if presented != "" {
		answered, s.answered = s.answered, nil
	}
	return answered
}

func (s *authServer) introspect(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	response, err := s.provider.NewIntrospectionRequest(r.Context(), r, &fosite.DefaultSession{})
	if err != nil {
		s.provider.WriteIntrospectionError(r.Context(), w, err)
		return
	}
	s.provider.WriteIntrospectionResponse(r.Context(), w, response)
}

func (s *authServer) revoke(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.provider.WriteRevocationResponse(r.Context(), w, s.provider.NewRevocationRequest(r.Context(), r))
}

// beforeNextAnswer has f called when the next refresh is done and its answer about to leave.
func (s *authServer) beforeNextAnswer(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered = f
}

// requireEachOnce checks that no refresh token was presented a second time, by our count and by the server's.
func (s *authServer) requireEachOnce(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := map[string]bool{}
	for _, presented := range s.redeemed {
		require.False(t, seen[presented], "a refresh token was redeemed twice")
		seen[presented] = true
	}
	require.Zero(t, s.reuses)
}

// code lets the end user agree, and returns what the browser brings back.
func (s *authServer) code(t *testing.T, client string) string {
	t.Helper()
	query := url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {redirectURI}, "scope": {scope + " " + offline},
		"state": {"a state that nobody guesses"},
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/authorize?"+query.Encode(), nil)
	require.NoError(t, err)
	response, err := s.Client().Transport.RoundTrip(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	back, err := response.Location()
	require.NoError(t, err)
	require.NotEmpty(t, back.Query().Get("code"), "%s", back)
	return back.Query().Get("code")
}

// post makes a request as secretClient and returns the answer's status and members.
func (s *authServer) post(t *testing.T, path string, form url.Values) (int, map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(secretClient, url.QueryEscape(secret))
	response, err := s.Client().Do(request)
	require.NoError(t, err)
	var answer map[string]any
	if path != "/revoke" {
		require.NoError(t, json.NewDecoder(response.Body).Decode(&answer))
	}
	require.NoError(t, response.Body.Close())
	return response.StatusCode, answer
}

// grant is a refresh token of secretClient.
func (s *authServer) grant(t *testing.T) string {
	t.Helper()
	status, answer := s.post(t, "/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {s.code(t, secretClient)}, "redirect_uri": {redirectURI},
	})
	require.Equal(t, http.StatusOK, status, "%v", answer)
	return answer["refresh_token"].(string)
}

// active asks the server whether a token is good.
func (s *authServer) active(t *testing.T, token string) bool {
	t.Helper()
	_, answer := s.post(t, "/introspect", url.Values{"token": {token}})
	active, _ := answer["active"].(bool)
	return active
}
