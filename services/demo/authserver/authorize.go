package authserver

import (
	"crypto/rand"
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// pushedLifetime is how long a pushed request can be used; RFC 9126 §2.2 leaves it to the server.
const pushedLifetime = time.Minute

// pushed is an authorization request that its client brought itself.
type pushed struct {
	client  string
	query   url.Values
	expires time.Time
}

// Authorization errors of RFC 6749 §4.1.2.1 that users cause.
const (
	errorAccessDenied            = "access_denied"
	errorUnsupportedResponseType = "unsupported_response_type"
)

// consent is the page on which a user agrees. It has no password: this is a demonstration.
const consent = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in</title></head><body><main>
<h1>{{.Client}} asks for access</h1>
<p>It wants: {{range .Scopes}}<code>{{.}}</code> {{else}}everything{{end}}</p>
<form method="post">
<p><label>User <input name="user" value="{{.Hint}}" required></label></p>
<p><button name="decision" value="allow">Allow</button> <button name="decision" value="deny" formnovalidate>Deny</button></p>
</form></main></body></html>
`

// authorization is a checked request (RFC 6749 §4.1.1).
type authorization struct {
	client                      *Client
	redirectURI, state, nonce   string
	challenge, hint             string
	scopes                      []string
	refusal                     string // error code that is sent to the client
	pageError, refusalDescribed string // what the user is told, or the client
}

// authorize is the authorization endpoint: GET shows the page, POST is the user's decision.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	a := s.checkAuthorization(r.URL.Query())
	switch {
	case a.pageError != "":
		http.Error(w, a.pageError, http.StatusBadRequest)
	case a.refusal != "":
		s.backToClient(w, a, url.Values{"error": {a.refusal}, "error_description": {a.refusalDescribed}})
	case r.Method == http.MethodGet:
		s.askUser(w, a)
	default:
		s.decide(w, r, a)
	}
}

func (s *Server) askUser(w http.ResponseWriter, a authorization) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	page, err := template.New("consent").Parse(consent)
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	// The browser may be gone; there is nobody left to tell.
	_ = page.Execute(w, map[string]any{"Client": a.client.ID, "Scopes": a.scopes, "Hint": a.hint})
}

func (s *Server) decide(w http.ResponseWriter, r *http.Request, a authorization) {
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	if r.PostFormValue("decision") != "allow" {
		s.backToClient(w, a, url.Values{"error": {errorAccessDenied}, "error_description": {"the user did not agree"}})
		return
	}
	user := r.PostFormValue("user")
	if user == "" {
		http.Error(w, "say who you are", http.StatusBadRequest)
		return
	}
	code, err := s.IssueCode(a.client.ID, user, a.redirectURI, a.challenge, a.scopes...)
	if err != nil {
		s.backToClient(w, a, url.Values{"error": {errorServerError}})
		return
	}
	s.mu.Lock()
	s.grants.codes[code].nonce = a.nonce
	s.mu.Unlock()
	s.backToClient(w, a, url.Values{"code": {code}})
}

// backToClient sends the browser to the client with an answer, which names its issuer (RFC 9207).
func (s *Server) backToClient(w http.ResponseWriter, a authorization, answer url.Values) {
	target, err := url.Parse(a.redirectURI)
	if err != nil {
		http.Error(w, "redirect_uri is not a URL", http.StatusBadRequest)
		return
	}
	query := target.Query()
	for name := range answer {
		query.Set(name, answer.Get(name))
	}
	query.Set("iss", s.Issuer())
	if a.state != "" {
		query.Set("state", a.state)
	}
	target.RawQuery = query.Encode()
	w.Header().Set("Location", target.String())
	w.WriteHeader(http.StatusSeeOther)
}

// checkAuthorization judges a request. What is wrong with client or redirect URI is told to the user, the rest to the client (RFC 6749
// §4.1.2.1).
func (s *Server) checkAuthorization(query url.Values) authorization {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reference := query.Get("request_uri"); reference != "" {
		p, known := s.grants.pushed[reference]
		if !known || p.client != query.Get("client_id") || !s.now().Before(p.expires) {
			return authorization{pageError: "request_uri is unknown or has expired"}
		}
		query = p.query
	}
	client, known := s.clients[query.Get("client_id")]
	a := authorization{
		client: client, redirectURI: query.Get("redirect_uri"), state: query.Get("state"), nonce: query.Get("nonce"),
		challenge: query.Get("code_challenge"), hint: query.Get("login_hint"),
	}
	switch {
	case !known:
		a.pageError = "client_id is unknown"
	case !slices.Contains(client.RedirectURIs, a.redirectURI):
		a.pageError = "redirect_uri is not registered"
	case query.Get("response_type") != "code":
		a.refusal = errorUnsupportedResponseType
	case a.challenge != "" && query.Get("code_challenge_method") != "S256":
		a.refusal, a.refusalDescribed = errorInvalidRequest, "code_challenge_method must be S256"
	}
	if a.pageError != "" || a.refusal != "" {
		return a
	}
	scopes, refusal := grantScopes(client.Scopes, query.Get("scope"))
	if refusal != nil {
		a.refusal, a.refusalDescribed = refusal.code, refusal.description
	}
	a.scopes = scopes
	return a
}

// push is RFC 9126 §2.
func (s *Server) push(w http.ResponseWriter, r *http.Request) {
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
		form.Set("client_id", client.ID)
		reference := "urn:ietf:params:oauth:request_uri:" + rand.Text()
		s.grants.pushed[reference] = pushed{client: client.ID, query: form, expires: s.now().Add(pushedLifetime)}
		return jsonResponse(http.StatusCreated, map[string]any{"request_uri": reference, "expires_in": int(pushedLifetime.Seconds())})
	}
	locked().write(w)
}

// idToken is what OpenID Connect Core §2 wants of one, for a code whose request had the scope openid. s.mu must be held.
func (s *Server) idToken(code *authorizationCode) string {
	if !slices.Contains(code.family.scopes, "openid") {
		return ""
	}
	payload, err := json.Marshal(map[string]any{
		"iss": s.issuer, "sub": code.family.subject, "aud": code.family.client, "nonce": code.nonce,
		"iat": s.now().Unix(), "exp": s.now().Add(s.lifetime).Unix(),
	})
	if err != nil {
		return ""
	}
	signed, err := s.keys.signer.Sign(payload)
	if err != nil {
		return ""
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(token)
}
