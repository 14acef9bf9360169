package authserver_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/demo/authserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	clientID = "shop & co:1" // needs form encoding in HTTP Basic
	secret   = "s3cr+t/%:ü"
)

func config() authserver.Config {
	return authserver.Config{
		Issuer: "https://as.example",
		Clients: []authserver.Client{
			{ID: clientID, Secrets: []string{secret, "next-secret"}, Scopes: []string{"orders.read", "orders.write"}, Audiences: []string{"https://api.example", "https://other.example"}},
			{ID: "second", Secrets: []string{"second-secret"}, Scopes: []string{"orders.read"}},
		},
	}
}

func newServer(t *testing.T, cfg authserver.Config) *authserver.Server {
	t.Helper()
	s, err := authserver.New(cfg)
	require.NoError(t, err)
	return s
}

// answer is a response that is read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) members(t *testing.T) map[string]any {
	t.Helper()
	var members map[string]any
	require.NoError(t, json.Unmarshal([]byte(a.body), &members), a.body)
	return members
}

func basic(id, secret string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret)) }
}

func newPost(path, body string, edits ...func(*http.Request)) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, edit := range edits {
		edit(r)
	}
	return r
}

// post asks the handler without a network.
func post(s *authserver.Server, path, body string, edits ...func(*http.Request)) answer {
	rec := httptest.NewRecorder()
	s.Handler().ServeHTTP(rec, newPost(path, body, edits...))
	return answer{status: rec.Code, header: rec.Header(), body: rec.Body.String()}
}

func token(s *authserver.Server, body string) answer {
	return post(s, authserver.PathToken, body, basic(clientID, secret))
}

// decode verifies an access token with the published keys and returns its header and claims.
func decode(t *testing.T, s *authserver.Server, accessToken string) (jose.Header, map[string]json.Number, map[string]any) {
	t.Helper()
	rec := httptest.NewRecorder()
	s.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, authserver.PathJWKS, nil))
	require.Equal(t, http.StatusOK, rec.Code)
	require.NotContains(t, rec.Body.String(), `"d"`, "the private key is published")
	var keys jose.JSONWebKeySet
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &keys))
	signed, err := jose.ParseSignedCompact(accessToken, []jose.SignatureAlgorithm{jose.ES256})
	require.NoError(t, err)
	payload, err := signed.Verify(&keys)
	require.NoError(t, err)
	var dates struct{ Iat, Exp json.Number }
	require.NoError(t, json.Unmarshal(payload, &dates))
	var all map[string]any
	require.NoError(t, json.Unmarshal(payload, &all))
	return signed.Signatures[0].Protected, map[string]json.Number{"iat": dates.Iat, "exp": dates.Exp}, all
}

func TestClientCredentialsIssuesAnAccessToken(t *testing.T) {
	cfg := config()
	now := time.Unix(1_800_000_000, 123_456_789)
	cfg.Now = func() time.Time { return now }
	s := newServer(t, cfg)

	res := token(s, "grant_type=client_credentials&scope=orders.write")

	require.Equal(t, http.StatusOK, res.status, res.body)
	require.Equal(t, "application/json", res.header.Get("Content-Type"))
	require.Equal(t, "no-store", res.header.Get("Cache-Control"))
	members := res.members(t)
	require.Equal(t, "Bearer", members["token_type"])
	require.InEpsilon(t, 5.0, members["expires_in"], 0)
	require.Equal(t, "orders.write", members["scope"])
	require.NotContains(t, members, "refresh_token", "RFC 6749 §4.4.3")

	accessToken := members["access_token"].(string)
	header, dates, claims := decode(t, s, accessToken)
	require.Equal(t, "at+jwt", header.ExtraHeaders[jose.HeaderType])
	require.Equal(t, json.Number("1800000000.123456"), dates["iat"])
	require.Equal(t, json.Number("1800000005.123456"), dates["exp"], "exp must be iat plus expires_in exactly")
	require.Equal(t, "https://as.example", claims["iss"])
	require.Equal(t, clientID, claims["sub"])
	require.Equal(t, clientID, claims["client_id"])
	require.Equal(t, "orders.write", claims["scope"])
	require.Equal(t, []any{"https://api.example"}, claims["aud"])

	issued := s.Issued()
	require.Len(t, issued, 1)
	require.Equal(t, claims["jti"], issued[0].JTI)
	require.Equal(t, authserver.Fingerprint(accessToken), issued[0].Fingerprint)
	require.Equal(t, 5*time.Second, issued[0].ExpireTime.Sub(issued[0].IssueTime))
	require.Equal(t, map[string]int{clientID: 1}, s.Stats().Issued)
	require.Equal(t, 1, s.Stats().Total())
	require.Contains(t, s.Secrets(), accessToken)
	require.Contains(t, s.Secrets(), secret)
}

func TestClientAuthentication(t *testing.T) {
	post2 := func(id, secret string) string {
		return url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}}.Encode()
	}
	const grant = "grant_type=client_credentials"
	for name, tc := range map[string]struct {
		body   string
		edits  []func(*http.Request)
		status int
		code   string
	}{
		"basic":                     {grant, []func(*http.Request){basic(clientID, secret)}, 200, ""},
		"basic, second secret":      {grant, []func(*http.Request){basic(clientID, "next-secret")}, 200, ""},
		"basic, same client_id":     {grant + "&client_id=second", []func(*http.Request){basic("second", "second-secret")}, 200, ""},
		"post":                      {post2(clientID, secret), nil, 200, ""},
		"basic, wrong secret":       {grant, []func(*http.Request){basic(clientID, "wrong")}, 401, "invalid_client"},
		"basic, unknown client":     {grant, []func(*http.Request){basic("nobody", secret)}, 401, "invalid_client"},
		"basic, not form encoded":   {grant, []func(*http.Request){func(r *http.Request) { r.SetBasicAuth(clientID, secret) }}, 401, "invalid_client"},
		"post, wrong secret":        {post2(clientID, "wrong"), nil, 401, "invalid_client"},
		"bearer":                    {grant, []func(*http.Request){func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }}, 401, "invalid_client"},
		"none":                      {grant, nil, 401, "invalid_client"},
		"post without secret":       {grant + "&client_id=second", nil, 401, "invalid_client"},
		"both ways":                 {post2(clientID, secret), []func(*http.Request){basic(clientID, secret)}, 400, "invalid_request"},
		"two Authorization headers": {grant, []func(*http.Request){basic(clientID, secret), func(r *http.Request) { r.Header.Add("Authorization", "Basic eDp5") }}, 400, "invalid_request"},
		"different client_id":       {grant + "&client_id=second", []func(*http.Request){basic(clientID, secret)}, 400, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, config())
			res := post(s, authserver.PathToken, tc.body, tc.edits...)
			require.Equal(t, tc.status, res.status, res.body)
			if tc.code != "" {
				require.Equal(t, tc.code, res.members(t)["error"])
				require.Equal(t, "no-store", res.header.Get("Cache-Control"))
				require.Equal(t, map[string]int{tc.code: 1}, s.Stats().Refused)
			}
			require.Equal(t, tc.status == 401, strings.HasPrefix(res.header.Get("WWW-Authenticate"), "Basic "))
		})
	}
}

func TestRequestsAreParsedStrictly(t *testing.T) {
	for name, tc := range map[string]struct {
		path   string
		body   string
		edit   func(*http.Request)
		status int
		code   string
	}{
		"grant type missing":   {body: "scope=orders.read", status: 400, code: "invalid_request"},
		"grant type empty":     {body: "grant_type=", status: 400, code: "invalid_request"},
		"grant type unknown":   {body: "grant_type=password", status: 400, code: "unsupported_grant_type"},
		"given twice":          {body: "grant_type=client_credentials&grant_type=client_credentials", status: 400, code: "invalid_request"},
		"scope not allowed":    {body: "grant_type=client_credentials&scope=orders.read+admin", status: 400, code: "invalid_scope"},
		"audience not allowed": {body: "grant_type=client_credentials&audience=https%3A%2F%2Fevil.example", status: 400, code: "invalid_target"},
		"resource not allowed": {body: "grant_type=client_credentials&resource=https%3A%2F%2Fevil.example", status: 400, code: "invalid_target"},
		"secret in the query":  {path: "?client_secret=x", body: "grant_type=client_credentials", status: 400, code: "invalid_request"},
		"bad escape":           {body: "grant_type=%zz", status: 400, code: "invalid_request"},
		"too large":            {body: "grant_type=client_credentials&x=" + strings.Repeat("x", 64<<10), status: 413, code: "invalid_request"},
		"JSON": {
			body: `{"grant_type":"client_credentials"}`, status: 400, code: "invalid_request",
			edit: func(r *http.Request) { r.Header.Set("Content-Type", "application/json") },
		},
		"refresh token missing": {body: "grant_type=refresh_token", status: 400, code: "invalid_request"},
		"refresh token unknown": {body: "grant_type=refresh_token&refresh_token=x", status: 400, code: "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			edits := []func(*http.Request){basic(clientID, secret)}
			if tc.edit != nil {
				edits = append(edits, tc.edit)
			}
			res := post(newServer(t, config()), authserver.PathToken+tc.path, tc.body, edits...)
			require.Equal(t, tc.status, res.status, res.body)
			require.Equal(t, tc.code, res.members(t)["error"])
		})
	}
}

func TestOnlyPostReachesTheTokenEndpoint(t *testing.T) {
	rec := httptest.NewRecorder()
	newServer(t, config()).Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, authserver.PathToken, nil))
	require.Equal(t, http.StatusMethodNotAllowed, rec.Code)
}

func TestAudiences(t *testing.T) {
	s := newServer(t, config())
	audience := func(res answer) any {
		require.Equal(t, http.StatusOK, res.status, res.body)
		_, _, claims := decode(t, s, res.members(t)["access_token"].(string))
		return claims["aud"]
	}
	const api, other = "https%3A%2F%2Fapi.example", "https%3A%2F%2Fother.example"
	require.Equal(t, []any{"https://other.example"}, audience(token(s, "grant_type=client_credentials&audience="+other)))
	require.Equal(t, []any{"https://api.example", "https://other.example"}, audience(token(s, "grant_type=client_credentials&resource="+other+"&resource="+api)))
	require.Equal(t, []any{"https://as.example"}, audience(post(s, authserver.PathToken, "grant_type=client_credentials", basic("second", "second-secret"))))
	require.Equal(t, []any{"anything"}, audience(post(s, authserver.PathToken, "grant_type=client_credentials&audience=anything", basic("second", "second-secret"))))
}

func TestClientSecretsCanChange(t *testing.T) {
	s := newServer(t, config())
	require.NoError(t, s.SetClientSecrets(clientID, "brand-new"))
	require.Equal(t, http.StatusUnauthorized, token(s, "grant_type=client_credentials").status)
	require.Equal(t, http.StatusOK, post(s, authserver.PathToken, "grant_type=client_credentials", basic(clientID, "brand-new")).status)
	require.Subset(t, s.Secrets(), []string{secret, "next-secret", "brand-new"})
	require.ErrorIs(t, s.SetClientSecrets("nobody", "x"), authserver.ErrUnknownClient)
	require.Error(t, s.SetClientSecrets(clientID))
}

func TestTokensOutliveAKeyRotation(t *testing.T) {
	s := newServer(t, config())
	before := token(s, "grant_type=client_credentials").members(t)["access_token"].(string)
	require.NoError(t, s.RotateKey())
	after := token(s, "grant_type=client_credentials").members(t)["access_token"].(string)
	first, _, _ := decode(t, s, before)
	second, _, _ := decode(t, s, after)
	require.NotEqual(t, first.KeyID, second.KeyID)
	keys, err := s.Keys(t.Context(), first.KeyID)
	require.NoError(t, err)
	require.Len(t, keys, 1)
	require.True(t, keys[0].IsPublic())
}

func TestIssuerIsTheListenersAddress(t *testing.T) {
	cfg := config()
	cfg.Issuer = ""
	s := newServer(t, cfg)
	require.Empty(t, s.Issuer())
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+authserver.PathMetadata, nil)
	require.NoError(t, err)
	req.Host = "evil.example"
	res, err := srv.Client().Do(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, res.Body.Close()) }()
	var metadata map[string]any
	require.NoError(t, json.NewDecoder(res.Body).Decode(&metadata))
	require.Equal(t, srv.URL, metadata["issuer"])
	require.Equal(t, srv.URL+authserver.PathToken, metadata["token_endpoint"])
	require.Equal(t, srv.URL+authserver.PathJWKS, metadata["jwks_uri"])
	require.Equal(t, srv.URL, s.Issuer())
	s.SetIssuer("https://named.example")
	require.Equal(t, "https://named.example", s.Issuer())
}

func TestNewRefusesAnUnusableConfig(t *testing.T) {
	for name, spoil := range map[string]func(*authserver.Config){
		"no clients":            func(c *authserver.Config) { c.Clients = nil },
		"no id":                 func(c *authserver.Config) { c.Clients[0].ID = "" },
		"same id":               func(c *authserver.Config) { c.Clients[1].ID = clientID },
		"no secret":             func(c *authserver.Config) { c.Clients[0].Secrets = nil },
		"empty secret":          func(c *authserver.Config) { c.Clients[0].Secrets[0] = "" },
		"negative lifetime":     func(c *authserver.Config) { c.TokenLifetime = -1 },
		"rotation out of range": func(c *authserver.Config) { c.Refresh.Rotation = 9 },
		"grace without mode":    func(c *authserver.Config) { c.Refresh.Grace = time.Second },
		"mode without grace":    func(c *authserver.Config) { c.Refresh.Rotation = authserver.SingleUseWithGrace },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config()
			spoil(&cfg)
			_, err := authserver.New(cfg)
			require.ErrorIs(t, err, authserver.ErrInvalidConfig)
		})
	}
}
