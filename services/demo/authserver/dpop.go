package authserver

import (
	"net/http"

	"github.com/freshet-io/freshet/services/demo/possession"
)

// DPoPPolicy is what the server does about proofs of possession (RFC 9449). A proof that is sent is always checked, and the token bound to its
// key.
type DPoPPolicy struct {
	// Required refuses token requests without one.
	Required bool
	// Proof is what a proof has to have.
	Proof possession.Policy
}

// confirmation says in a token which key it is bound to, RFC 9449 §6.1.
type confirmation struct {
	Thumbprint string `json:"jkt"`
}

// SetDPoPPolicy changes what token requests have to prove from now on.
func (s *Server) SetDPoPPolicy(p DPoPPolicy) {
	s.proofs.SetPolicy(p.Proof)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dpopRequired = p.Required
}

// checkProof reads a request's proof into what it claims about its client.
func (s *Server) checkProof(r *http.Request, found *credentials) {
	s.mu.Lock()
	required, issuer := s.dpopRequired, s.issuer
	s.mu.Unlock()
	if !required && r.Header.Get("DPoP") == "" {
		return
	}
	key, refusal := s.proofs.Check(r, issuer+PathToken, "")
	found.key = key
	if refusal != nil && found.err == nil {
		found.err = &oauthError{code: refusal.Code, description: refusal.Description}
	}
}

// offerNonce puts the nonce of the next proof on an answer, if proofs need one.
func (s *Server) offerNonce(w http.ResponseWriter) {
	if nonce := s.proofs.Nonce(); nonce != "" {
		w.Header().Set("DPoP-Nonce", nonce)
	}
}

// challenge refuses a request with a nonce that no proof can have had.
func (s *Server) challenge(q Quirks) response {
	nonce := s.proofs.Renew()
	res := errorResponse(&oauthError{code: possession.ErrorUseNonce, description: "a new nonce is needed"}, q)
	res.header.Set("DPoP-Nonce", nonce)
	return res
}

// bind binds a family's next tokens to the key of the request, and refuses a public client's refresh token with another key than its own
// (RFC 9449 §5). s.mu must be held.
func (f *family) bind(client *Client, key string) *oauthError {
	if client.Public && f.key != "" && f.key != key {
		return invalidGrant("the refresh token is bound to another key")
	}
	f.key = key
	return nil
}
