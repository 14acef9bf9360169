package authserver

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/freshet-io/freshet/services/demo/possession"
)

// Paths of the endpoints below the issuer.
const (
	PathToken      = "/oauth2/token"
	PathAuthorize  = "/oauth2/authorize"
	PathPush       = "/oauth2/par"
	PathIntrospect = "/oauth2/introspect"
	PathRevoke     = "/oauth2/revoke"
	PathMetadata   = "/.well-known/oauth-authorization-server"
	PathJWKS       = "/.well-known/jwks.json"
)

// Server is an authorization server. It starts no goroutines and needs no closing. All methods may
// be called at any time from several goroutines.
type Server struct {
	now    func() time.Time
	log    *slog.Logger
	faults faultQueue
	proofs *possession.Checker

	mu       sync.Mutex
	issuer   string
	lifetime time.Duration
	refresh  RefreshPolicy
	quirks   Quirks
	dialect  Dialect
	users    map[string]string
	clients  map[string]*Client
	keys     keyring
	grants   grantState
	issued   []Issued
	requests []Request
	stats    Stats
	tokens   []string // every code, access and refresh token, for Secrets
	known    []string // every client secret, current or former, and password, for Secrets
	inFlight int

	dpopRequired bool
	presented    string // the key of the request that is being processed
	changed      chan struct{}
}

// New returns a server with a fresh signing key.
func New(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Server{
		now:      cfg.Now,
		log:      cfg.Logger,
		faults:   faultQueue{taken: map[FaultKind]int{}},
		proofs:   possession.New(possession.Policy{}, cfg.Now),
		issuer:   cfg.Issuer,
		lifetime: cfg.TokenLifetime,
		refresh:  cfg.Refresh,
		users:    maps.Clone(cfg.Users),
		clients:  make(map[string]*Client, len(cfg.Clients)),
		grants:   newGrantState(),
		stats:    Stats{Issued: map[string]int{}, Refused: map[string]int{}},
		changed:  make(chan struct{}),
	}
	for _, client := range cfg.Clients {
		client.Secrets, client.Scopes, client.Audiences = slices.Clone(client.Secrets), slices.Clone(client.Scopes), slices.Clone(client.Audiences)
		s.clients[client.ID] = &client
		s.known = append(s.known, client.Secrets...)
	}
	for _, password := range cfg.Users {
		s.known = append(s.known, password)
	}
	if err := s.keys.rotate(); err != nil {
		return nil, err
	}
	return s, nil
}

// Handler serves the endpoints at the Path constants.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(PathToken, s.token)
	mux.HandleFunc(PathAuthorize, s.authorize)
	mux.HandleFunc("POST "+PathPush, s.push)
	mux.HandleFunc("POST "+PathIntrospect, s.introspect)
	mux.HandleFunc("POST "+PathRevoke, s.revoke)
	mux.HandleFunc("GET "+PathMetadata, s.metadata)
	mux.HandleFunc("GET "+PathJWKS, s.jwks)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.learnIssuer(r)
		mux.ServeHTTP(w, r)
	})
}

// Issuer is the server's URL; empty until the first request if Config left it out.
func (s *Server) Issuer() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issuer
}

// SetIssuer sets the server's URL, for a caller that learns it only after it listens.
func (s *Server) SetIssuer(issuer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issuer = issuer
}

// learnIssuer takes the listener's address, never the Host header: a caller must not be able to
// choose the issuer of its tokens.
func (s *Server) learnIssuer(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.issuer != "" {
		return
	}
	scheme, host := "http", "localhost"
	if r.TLS != nil {
		scheme = "https"
	}
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		host = addr.String()
	}
	s.issuer = scheme + "://" + host
}

// SetTokenLifetime changes the life of access tokens issued from now on; less than
// MinTokenLifetime counts as that.
func (s *Server) SetTokenLifetime(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lifetime = max(d, MinTokenLifetime)
}

// SetRefreshPolicy changes how refresh tokens behave from now on.
func (s *Server) SetRefreshPolicy(p RefreshPolicy) error {
	if err := p.validate(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh = p
	return nil
}

// SetQuirks changes how token responses look from now on.
func (s *Server) SetQuirks(q Quirks) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quirks = q
}

// SetDialect changes what token requests have to look like from now on.
func (s *Server) SetDialect(d Dialect) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialect = d
}

// SetClientSecrets replaces a client's accepted secrets; at least one.
func (s *Server) SetClientSecrets(clientID string, secrets ...string) error {
	if err := validateSecrets(secrets); err != nil {
		return fmt.Errorf("authserver: secrets: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	client, known := s.clients[clientID]
	if !known {
		return fmt.Errorf("%w: %q", ErrUnknownClient, clientID)
	}
	client.Secrets = slices.Clone(secrets)
	s.known = append(s.known, secrets...)
	return nil
}

// RotateKey signs tokens with a new key from now on. Earlier keys stay in the key set.
func (s *Server) RotateKey() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys.rotate()
}

// Keys returns the public keys with this id, current or former. It never fails; its shape is that
// of a key source that may have to fetch.
func (s *Server) Keys(_ context.Context, keyID string) ([]jose.JSONWebKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys.public.Key(keyID), nil
}

// Inject adds a fault. Faults happen in the order of injection: each is used up before the next
// one that applies to the same client.
func (s *Server) Inject(f Fault) { s.faults.inject(f) }

// ClearFaults removes every fault that has not happened yet.
func (s *Server) ClearFaults() { s.faults.clear() }

// Stats returns the totals since the start.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats.clone()
	stats.Faults = s.faults.counts()
	return stats
}

// Issued returns the history of access tokens, oldest first; at most the last 50,000.
func (s *Server) Issued() []Issued {
	s.mu.Lock()
	defer s.mu.Unlock()
	return lastOf(s.issued, maxIssued)
}

// Requests returns the last requests to the token endpoint, oldest first; at most 1,000.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return lastOf(s.requests, maxRequests)
}

// Secrets returns every client secret it accepts or ever accepted, its users' passwords, and the codes, access and
// refresh tokens it issued (at least the last 50,000), for tests that look for them where they must not be.
func (s *Server) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Concat(s.known, s.tokens)
}

// Changed returns a channel that is closed at the next answered token request or revocation. Take
// it before reading what is waited for.
func (s *Server) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// notify wakes everyone who waits on Changed. s.mu must be held.
func (s *Server) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}
