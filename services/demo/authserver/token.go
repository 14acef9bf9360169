package authserver

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
)

// send puts an answer, or what a fault makes of it, on the wire.
type send func(http.ResponseWriter)

// token serves the token endpoint.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	dialect := s.spoken()
	if method := orDefault(dialect.Method, http.MethodPost); r.Method != method {
		w.Header().Set("Allow", method)
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	form, formErr := dialect.read(w, r)
	found := s.readCredentials(r, form)
	s.checkProof(r, &found)
	quirks := s.arrived(newRequest(r, form, found, s.now()))
	answer := s.respond(r.Context(), form, formErr, found, quirks)
	// Before the answer is sent: its reader may ask again at once, and that is not two at a time.
	s.answered()
	s.offerNonce(w)
	answer(w)
}

func (s *Server) spoken() Dialect {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dialect
}

// respond takes a request through its fault, if any, and through processing.
func (s *Server) respond(ctx context.Context, form url.Values, formErr *oauthError, found credentials, quirks Quirks) send {
	fault, faulty := s.faults.take(found.id, form.Get("refresh_token") != "" || form.Get("code") != "")
	if !faulty {
		return s.process(ctx, form, formErr, found, quirks).write
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "fault injected", slog.String("kind", string(fault.Kind)))
	if fault.Kind == FaultNonceChallenge {
		return s.challenge(quirks).write
	}
	if answer := fault.before(ctx, s.now(), quirks); answer != nil {
		return answer
	}
	return fault.after(ctx, s.process(ctx, form, formErr, found, quirks))
}

func (s *Server) arrived(req Request) Quirks {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = appendBounded(s.requests, req, maxRequests)
	s.stats.Requests++
	s.inFlight++
	s.stats.MaxInFlight = max(s.stats.MaxInFlight, s.inFlight)
	return s.quirks
}

func (s *Server) answered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight--
	s.notify()
}

// process grants or refuses; when it returns, the outcome is committed.
func (s *Server) process(ctx context.Context, form url.Values, formErr *oauthError, found credentials, quirks Quirks) response {
	s.mu.Lock()
	defer s.mu.Unlock()
	result, refusal := s.grant(form, formErr, found)
	if refusal != nil {
		s.stats.Refused[refusal.code]++
		// Nothing the caller wrote is logged: what is in the wrong place may be a secret.
		s.log.LogAttrs(ctx, slog.LevelInfo, "token request refused", slog.String("error", refusal.code))
		return errorResponse(refusal, quirks)
	}
	last := s.issued[len(s.issued)-1]
	s.log.LogAttrs(ctx, slog.LevelInfo, "token issued", slog.String("client", last.Client), slog.String("grant_type", last.GrantType),
		slog.String("jti", last.JTI), slog.Time("expires", last.ExpireTime))
	return quirks.success(result)
}

// grant dispatches on the grant type. s.mu must be held.
func (s *Server) grant(form url.Values, formErr *oauthError, found credentials) (grantResult, *oauthError) {
	if formErr != nil {
		return grantResult{}, formErr
	}
	client, refusal := s.authenticate(found)
	if refusal != nil {
		return grantResult{}, refusal
	}
	s.presented = found.key
	switch form.Get("grant_type") {
	case grantClientCredentials:
		return s.clientCredentials(client, form)
	case grantRefreshToken:
		return s.redeem(client, form)
	case grantAuthorizationCode:
		return s.redeemCode(client, form)
	case grantJWTBearer:
		return s.jwtBearer(client, form)
	case grantTokenExchange:
		return s.exchangeToken(client, form)
	case grantPassword:
		if len(s.users) > 0 {
			return s.password(client, form)
		}
	case "":
		return grantResult{}, invalidRequest("grant_type is missing")
	}
	return grantResult{}, &oauthError{code: errorUnsupportedGrantType, description: "the server has no such grant type"}
}
