package learn_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/freshet-io/freshet/services/token"
)

// behavior is how a server treats refreshing. The zero value: one refresh token that stays, access tokens survive.
type behavior struct {
	rotates   bool
	recovery  token.RotationRecovery // of rotated refresh tokens; empty: SINGLE_USE, whose reuse ends the grant
	grace     time.Duration
	old       token.OldAccessToken
	leeway    time.Duration
	notBefore time.Duration
	sameToken bool
	postOnly  bool   // client authentication
	badCode   string // of a refresh token that does not exist; empty: invalid_grant
	expiresIn any    // default 3600
	jwt       bool
}

// server is an authorization server with one grant, and an API that takes its access tokens.
type server struct {
	behavior
	*httptest.Server
	mu      sync.Mutex
	count   int
	access  map[string]time.Time // when each ends
	current string
	issued  time.Time
	refresh map[string]*redeemed
	ended   bool
}

// redeemed is a refresh token.
type redeemed struct {
	at        time.Time // zero: not yet
	answer    map[string]any
	successor string
}

func newServer(t *testing.T, b behavior) *server {
	t.Helper()
	s := &server{behavior: b, access: map[string]time.Time{}, refresh: map[string]*redeemed{"r0": {}}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("GET /me", s.me)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *server) me(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for access, end := range s.access {
		if r.Header.Get("Authorization") == "Bearer "+access && time.Now().Before(end) {
			return
		}
	}
	w.WriteHeader(http.StatusUnauthorized)
}

func refuse(w http.ResponseWriter, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": "no"})
}

func (s *server) token(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _, isBasic := r.BasicAuth()
	if isBasic && s.postOnly || !isBasic && r.PostFormValue("client_secret") != "secret" {
		refuse(w, "invalid_client")
		return
	}
	name := r.PostFormValue("refresh_token")
	held := s.refresh[name]
	switch {
	case held == nil:
		refuse(w, orElse(s.badCode, "invalid_grant"))
		return
	case s.ended:
		refuse(w, "invalid_grant")
		return
	case !s.issued.IsZero() && time.Since(s.issued) < s.notBefore:
		refuse(w, "too_soon")
		return
	}
	answer := held.answer
	switch {
	case !s.rotates || held.at.IsZero():
		answer = s.mint(held)
	case s.recovery == token.Idempotent:
	case s.recovery == token.Grace && time.Since(held.at) < s.grace, s.recovery == token.UntilSuccessorUsed && s.refresh[held.successor].at.IsZero():
		at := held.at
		answer = s.mint(held)
		held.at = at
	default:
		s.ended = s.recovery == "" // a reused token ends the grant
		refuse(w, "invalid_grant")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// mint issues the next access token, and the next refresh token if they are rotated.
func (s *server) mint(held *redeemed) map[string]any {
	now := time.Now()
	held.at = now
	if !s.sameToken || s.current == "" {
		s.count++
		switch s.old {
		case token.Killed:
			clear(s.access)
		case token.Leeway:
			for access := range s.access {
				s.access[access] = now.Add(s.leeway)
			}
		default:
		}
		s.current = fmt.Sprintf("access%d", s.count)
		if s.jwt {
			claims := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d,"jti":"%d"}`, now.Add(time.Hour).Unix(), s.count))
			s.current = "e30." + claims + ".c2ln"
		}
		s.access[s.current] = now.Add(time.Hour)
		s.issued = now
	}
	answer := map[string]any{"access_token": s.current, "token_type": "Bearer", "expires_in": 3600}
	if s.expiresIn != nil {
		answer["expires_in"] = s.expiresIn
	}
	if s.rotates {
		held.successor = fmt.Sprintf("r%d", len(s.refresh))
		s.refresh[held.successor] = &redeemed{}
		answer["refresh_token"] = held.successor
	}
	held.answer = answer
	return answer
}

func orElse(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}
