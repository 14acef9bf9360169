package authserver

import (
	"net/http"
	"slices"
	"strings"
)

// introspection is the answer of RFC 7662 §2.2, whose times are whole seconds.
type introspection struct {
	Active    bool     `json:"active"`
	Scope     string   `json:"scope,omitempty"`
	ClientID  string   `json:"client_id,omitempty"`
	TokenType string   `json:"token_type,omitempty"`
	Expiry    int64    `json:"exp,omitempty"`
	IssuedAt  int64    `json:"iat,omitempty"`
	Subject   string   `json:"sub,omitempty"`
	Audience  []string `json:"aud,omitempty"`
	Issuer    string   `json:"iss,omitempty"`
	ID        string   `json:"jti,omitempty"`
}

// introspect is RFC 7662. A client learns about its own tokens and those meant for it; of others
// it hears that they are not active (§2.2).
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) {
	s.withToken(w, r, func(client *Client, token string) response {
		return jsonResponse(http.StatusOK, s.describe(client, token))
	})
}

// describe looks a token up. s.mu must be held.
func (s *Server) describe(client *Client, token string) introspection {
	if a, ok := s.grants.access[token]; ok {
		meant := a.client == client.ID || slices.Contains(a.claims.Audience, client.ID)
		if !meant || a.revoked || !s.now().Before(a.expires) {
			return introspection{}
		}
		return introspection{
			Active: true, Scope: a.claims.Scope, ClientID: a.client, TokenType: "Bearer",
			Expiry: a.expires.Unix(), IssuedAt: a.issuedAt.Unix(), Subject: a.claims.Subject,
			Audience: a.claims.Audience, Issuer: a.claims.Issuer, ID: a.claims.ID,
		}
	}
	if t, ok := s.grants.refresh[token]; ok && t.family.client == client.ID && !t.family.revoked && t.usedAt.IsZero() {
		return introspection{
			Active: true, Scope: strings.Join(t.family.scopes, " "), ClientID: client.ID, TokenType: "refresh_token",
			IssuedAt: t.issuedAt.Unix(), Subject: t.family.subject, Issuer: s.issuer,
		}
	}
	return introspection{}
}

// revoke is RFC 7009: revoking a refresh token ends its family, revoking an access token ends that
// one; an unknown token is already as good as revoked (§2.2).
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	s.withToken(w, r, func(client *Client, token string) response {
		access, isAccess := s.grants.access[token]
		refresh, isRefresh := s.grants.refresh[token]
		foreign := isAccess && access.client != client.ID || isRefresh && refresh.family.client != client.ID
		switch {
		case foreign:
			return errorResponse(invalidGrant("the token was issued to another client"), Quirks{})
		case isAccess:
			s.grants.revokeAccess(access)
		case isRefresh:
			s.grants.revokeFamily(refresh.family)
		}
		s.notify()
		return jsonResponse(http.StatusOK, struct{}{})
	})
}

// withToken is what introspection and revocation share: form, client authentication, token. answer
// runs with s.mu held.
func (s *Server) withToken(w http.ResponseWriter, r *http.Request, answer func(client *Client, token string) response) {
	form, refusal := parseForm(w, r)
	found := s.readCredentials(r, form)
	locked := func() response {
		s.mu.Lock()
		defer s.mu.Unlock()
		if refusal != nil {
			return errorResponse(refusal, Quirks{})
		}
		client, refusal := s.authenticate(found)
		if refusal != nil {
			return errorResponse(refusal, Quirks{})
		}
		token := form.Get("token")
		if token == "" {
			return errorResponse(invalidRequest("token is missing"), Quirks{})
		}
		return answer(client, token)
	}
	locked().write(w)
}

// metadata is RFC 8414.
func (s *Server) metadata(w http.ResponseWriter, _ *http.Request) {
	issuer := s.Issuer()
	grants := []string{grantClientCredentials, grantRefreshToken, grantAuthorizationCode, grantJWTBearer, grantTokenExchange}
	if len(s.users) > 0 {
		grants = append(grants, grantPassword)
	}
	methods := []string{AuthBasic, AuthPost, AuthPrivateKeyJWT, AuthTLS, AuthSelfSignedTLS, AuthNone}
	jsonResponse(http.StatusOK, map[string]any{
		"issuer":                                issuer,
		"token_endpoint":                        issuer + PathToken,
		"authorization_endpoint":                issuer + PathAuthorize,
		"pushed_authorization_request_endpoint": issuer + PathPush,
		"authorization_response_iss_parameter_supported": true,
		"code_challenge_methods_supported":               []string{"S256"},
		"introspection_endpoint":                         issuer + PathIntrospect,
		"revocation_endpoint":                            issuer + PathRevoke,
		"jwks_uri":                                       issuer + PathJWKS,
		"grant_types_supported":                          grants,
		"response_types_supported":                       []string{"code"},
		"dpop_signing_alg_values_supported":              []string{"ES256", "ES384", "ES512", "EdDSA", "RS256", "PS256"},
		"token_endpoint_auth_methods_supported":          methods,
		"introspection_endpoint_auth_methods_supported":  methods,
		"revocation_endpoint_auth_methods_supported":     methods,
	}).write(w)
}

// jwks is the key set of RFC 7517 §5.
func (s *Server) jwks(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	res := jsonResponse(http.StatusOK, s.keys.public)
	s.mu.Unlock()
	res.write(w)
}
