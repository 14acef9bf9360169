package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/status"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/demo/authserver"
)

// TestCanary uses the suite in every way that touches secrets, failures above all, and then looks for each secret in everything that is
// stored, printed, exported and answered.
func TestCanary(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := start(t, k)
			c := newCanary(t, w)
			c.connections(t)
			c.deliveries(t)
			c.failures(t)
			c.mistakes(t)
			c.rpcMistakes(t)

			places := c.places(t)
			for name, text := range c.world.Store(t) { // with the log of what is not in the database's file yet
				places["store, running: "+name] = text
			}
			w.Stop(t)
			for name, text := range w.Store(t) {
				places["store, stopped: "+name] = text
			}
			maps.Copy(places, telemetry.received())
			places["output"] = []byte(w.Output())
			c.requireSilence(t, places)
		})
	}
}

// canary is a scene with every secret that there can be.
type canary struct {
	*scene
	answers buffer
	other   map[string]string // secrets besides those of the scene and of the authorization server
	control string            // planted where it may be seen
	nosy    *site             // an API that repeats everything it gets
}

func newCanary(t *testing.T, w World) *canary {
	t.Helper()
	c := &canary{scene: newScene(t, w, 3*time.Second), other: map[string]string{}, control: "c0ntrol" + unique()}
	c.seen = &c.answers
	for _, name := range []string{
		"token parameter in the body", "token parameter in a header", "invocation header", "invocation query", "invocation body", "wrong client secret",
		"second client secret", "second API key", "rejected API key", "rejected client secret", "rejected password", "wrong admin key",
	} {
		c.other[name] = secret()
	}
	c.other["admin key"] = c.key
	c.other["private key of bound tokens"] = `"crv":"P-256","alg":"ES256","x":"` // how package dpop's test has every stored one contain it
	master, err := os.ReadFile(strings.TrimSuffix(w.AdminKeyFile(), "admin.key") + "master.key")
	require.NoError(t, err)
	c.other["master key"] = strings.TrimSpace(string(master))
	c.nosy = newSite(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		extra := r.Header.Get("X-Extra")
		fmt.Fprintln(w, r.Header.Get("Authorization"), extra, r.Header.Get(keyHeader), r.URL.RawQuery)
		body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<10))
		_ = json.NewEncoder(w).Encode(map[string]any{"query": r.URL.Query(), "body": string(body), "extra": extra, "key": r.Header.Get(keyHeader)})
	}))
	return c
}

// connections makes one of each kind, with secrets wherever there can be some, and uses their tokens.
func (c *canary) connections(t *testing.T) {
	t.Helper()
	parameter := func(key, name string) map[string]any {
		return map[string]any{"key": key, "value": c.other[name], "secret": true}
	}
	crm := c.oauth2()
	crm["description"] = c.control
	crm["oauth2"].(map[string]any)["clientAuthentication"] = "CLIENT_SECRET_POST"
	crm["oauth2"].(map[string]any)["tokenParameters"] = map[string]any{
		"body": []any{parameter("extra", "token parameter in the body")}, "headers": []any{parameter("X-Extra", "token parameter in a header")},
	}
	crm["invocationParameters"] = map[string]any{
		"headers": []any{parameter("X-Extra", "invocation header")}, "query": []any{parameter("extra", "invocation query")},
		"body": []any{parameter("extra", "invocation body")},
	}
	c.connect(t, "crm", crm)
	c.connect(t, "plain-"+c.control, c.oauth2())
	c.connect(t, "keyed", c.apiKey())
	c.connect(t, "based", c.basic())
	c.connect(t, "bound", c.bound())
	c.ok(t, http.MethodPost, c.token("bound")+":createDpopProof", map[string]any{"httpMethod": "GET", "url": "https://api.example/"}, nil)
	for _, id := range []string{"crm", "plain-" + c.control, "keyed", "based", "bound"} {
		c.ok(t, http.MethodPost, c.connection(id)+":test", nil, nil)
		c.ok(t, http.MethodGet, c.connection(id), nil, nil)
	}
	c.ok(t, http.MethodGet, c.path()+"/connections", nil, nil)
	c.follow(t, c.token("crm")).await(t, "a refresh", generation(2))
	application := startApplication(t, c.scene)
	c.ok(t, http.MethodGet, c.token("crm")+"/rotations", nil, nil)
	application.stop(t)
}

// deliveries are done with each connection; some are refused by an API that repeats in its answer what it got.
func (c *canary) deliveries(t *testing.T) {
	t.Helper()
	for id, path := range map[string]string{"crm": "/orders/*", "keyed": "/apikey/*", "based": "/basic/*"} {
		c.destine(t, "to-"+id, id, path, nil)
		require.Contains(t, c.deliver(t, "to-"+id, "1").Name, c.project)
	}
	regular := c.apiSite
	c.apiSite = c.nosy
	for _, id := range []string{"crm", "keyed", "based"} {
		c.destine(t, "nosy-"+id, id, "/*", nil)
		dead := c.awaitDelivery(t, c.put(t, "nosy-"+id, "1"), "DEAD")
		require.NotEmpty(t, dead.Attempts[0].ResponseExcerpt)
	}
	gone := newSite(t, http.NotFoundHandler())
	gone.close(t)
	c.apiSite = gone // its URL, with the secret query parameter, is in the error of a failed connection
	c.destine(t, "gone", "crm", "/*", map[string]any{"retryPolicy": map[string]any{"maximumRetryAttempts": 1}})
	require.Equal(t, "CONNECTION_FAILURE", c.awaitDelivery(t, c.put(t, "gone", "1"), "DEAD").ErrorCode)
	c.apiSite = regular
	c.list(t, "state = DEAD")
}

// failures lets the authorization server refuse, repeat the secret in its answer, and disappear.
func (c *canary) failures(t *testing.T) {
	t.Helper()
	c.auth.Inject(authserver.Fault{
		Kind: authserver.FaultOAuthError, Count: 1, Code: "invalid_request",
		Description: "no: " + c.secrets.client + " " + c.other["token parameter in the body"],
	})
	c.call(t, http.MethodPost, c.connection("crm")+":test", nil)
	c.auth.Inject(authserver.Fault{
		Kind: authserver.FaultOAuthError, Count: 1, Code: "invalid_request",
		Description: "not client_secret=" + url.QueryEscape(c.secrets.client) + " nor Basic " +
			base64.StdEncoding.EncodeToString([]byte(clientID+":"+url.QueryEscape(c.secrets.client))),
	})
	c.call(t, http.MethodPost, c.token("plain-"+c.control)+":refresh", nil)
	c.call(t, http.MethodPost, c.connection("plain-"+c.control)+":test", nil)
	c.auth.Inject(authserver.Fault{Kind: authserver.FaultHTML, Count: 1})
	c.call(t, http.MethodPost, c.connection("crm")+":test", nil)
	c.auth.Inject(authserver.Fault{Kind: authserver.FaultTruncatedBody, Count: 1})
	c.call(t, http.MethodPost, c.connection("crm")+":test", nil)
	c.auth.ClearFaults()

	require.NoError(t, c.auth.SetClientSecrets(clientID, c.other["second client secret"]))
	c.ok(t, http.MethodPatch, c.connection("crm"), map[string]any{"oauth2": map[string]any{"clientSecret": c.other["wrong client secret"]}}, nil)
	c.awaitConnection(t, "crm", "DEAUTHORIZED")
	c.problem(t, http.MethodGet, c.token("crm"), nil, http.StatusBadRequest, "CLIENT_BROKEN")
	c.ok(t, http.MethodPatch, c.connection("crm"), map[string]any{"oauth2": map[string]any{"clientSecret": c.other["second client secret"]}}, nil)
	c.awaitConnection(t, "crm", "AUTHORIZED")
	c.ok(t, http.MethodPatch, c.connection("keyed"), map[string]any{"apiKey": map[string]any{"value": c.other["second API key"]}}, nil)
	c.awaitConnection(t, "keyed", "AUTHORIZED")
	c.put(t, "to-keyed", "with a key that the API does not know") // 401, reported, tried again

	c.api.RevokeToken(last(c.auth.Issued()).JTI)
	c.deliver(t, "to-crm", "with a revoked token")
	c.authSite.close(t)
	c.awaitConnection(t, "crm", "FAILED_CONNECTIVITY")
	c.call(t, http.MethodPost, c.connection("crm")+":test", nil)
	c.authSite.open(t)
	c.awaitConnection(t, "crm", "AUTHORIZED")
}

// mistakes are requests with a secret that is refused, or in a place that is wrong.
func (c *canary) mistakes(t *testing.T) {
	t.Helper()
	at := c.path() + "/connections?connectionId=mistake"
	key, clientSecret, password := c.other["rejected API key"], c.other["rejected client secret"], c.other["rejected password"]
	wrong := c.oauth2()
	wrong["oauth2"].(map[string]any)["clientSecret"] = clientSecret + "\n"
	for _, body := range []any{
		map[string]any{"apiKey": map[string]any{"name": "x y", "value": key}},
		map[string]any{"apiKey": map[string]any{"name": keyHeader, "value": key + "\x01"}},
		map[string]any{"apiKey": map[string]any{"name": keyHeader, "value": []string{key}}},
		map[string]any{"apiKey": map[string]any{"name": keyHeader, "valeu": key}},
		map[string]any{"apiKey": key},
		map[string]any{"basic": map[string]any{"username": basicUser, "password": password + strings.Repeat("x", 512)}},
		map[string]any{"basic": map[string]any{"username": basicUser, "password": map[string]any{password: 1}}},
		`{"basic":{"username":"a","password":"` + password + `"`,
		`{"basic":{"username":"a","password":"` + password + `"}} and more`,
		wrong,
	} {
		a := c.call(t, http.MethodPost, at, body)
		require.Equal(t, http.StatusBadRequest, a.Status, "%v: %s", body, a.Body)
	}
	c.ok(t, http.MethodPost, at+"&validateOnly=true", map[string]any{"apiKey": map[string]any{"name": keyHeader, "value": key}}, nil)
	stranger := &rest{base: c.base, key: c.other["wrong admin key"], http: c.http, seen: &c.answers}
	stranger.problem(t, http.MethodGet, c.connection("crm"), nil, http.StatusUnauthorized, "UNAUTHENTICATED")
}

// rpcMistakes does the like over gRPC.
func (c *canary) rpcMistakes(t *testing.T) {
	t.Helper()
	client := connectionv1.NewConnectionServiceClient(dial(t, c.world, "connection", c.key))
	_, err := client.CreateConnection(t.Context(), &connectionv1.CreateConnectionRequest{
		Parent: c.project, ConnectionId: "mistake", Connection: &connectionv1.Connection{
			Authorization: &connectionv1.Connection_ApiKey{ApiKey: &connectionv1.ApiKeyAuthorization{Name: "x y", Value: c.other["rejected API key"]}},
		},
	})
	require.Error(t, err)
	fmt.Fprintf(&c.answers, "%v %+v\n", err, status.Convert(err).Proto())
	_, err = connectionv1.NewConnectionServiceClient(dial(t, c.world, "connection", "fk_"+unique())).GetConnection(t.Context(),
		&connectionv1.GetConnectionRequest{Name: c.project + "/connections/crm"})
	require.Error(t, err)
	fmt.Fprintf(&c.answers, "%v %+v\n", err, status.Convert(err).Proto())
}

// places are the texts in which no secret may be.
func (c *canary) places(t *testing.T) map[string][]byte {
	t.Helper()
	return map[string][]byte{"answers": []byte(c.answers.String()), "/metrics": []byte(scrape(t, c.world).text)}
}

// requireSilence searches all places. In each it must also find what is there for sure, so that a search that finds nothing has looked.
func (c *canary) requireSilence(t *testing.T, places map[string][]byte) {
	t.Helper()
	var secrets search
	for name, text := range c.other {
		secrets.add(name, text)
	}
	secrets.add("API key", c.secrets.apiKey)
	secrets.add("password", c.secrets.password)
	issued := c.auth.Secrets()
	require.Greater(t, len(issued), 5)
	for i, text := range issued {
		secrets.add(fmt.Sprintf("secret %d of the authorization server", i), text)
	}
	var control search
	control.add("control", c.control)
	found := map[string]bool{}
	for _, place := range slices.Sorted(maps.Keys(places)) {
		leaks := secrets.in(places[place])
		slices.Sort(leaks)
		for _, leak := range leaks {
			t.Errorf("%s holds %s", place, leak)
		}
		if len(control.in(places[place])) > 0 {
			kind, _, _ := strings.Cut(place, ":")
			found[kind] = true
		}
	}
	var metrics search
	metrics.add("a name", "freshet_token_served_expired")
	require.NotEmpty(t, metrics.in(places["/metrics"]))
	for _, kind := range []string{"store, running", "store, stopped", "answers", "output", "OTLP /v1/traces"} {
		require.True(t, found[kind], "the control is not found in: %s", kind)
	}
}
