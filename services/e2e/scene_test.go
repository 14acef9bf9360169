package e2e_test

import (
	"crypto/rand"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/authserver"
	"github.com/freshet-io/freshet/services/demo/resourceapi"
)

// scene is a project of its own in a world, and the other people's systems that it deals with.
type scene struct {
	*rest
	world   World
	project string // projects/…
	secrets struct{ client, apiKey, password string }

	auth     *authserver.Server
	authSite *site
	api      *resourceapi.API
	apiSite  *site
	// refuse is the status with which the API answers everything; 0: as it should.
	refuse atomic.Int32
}

const (
	clientID  = "freshet"
	apiScope  = "orders.write"
	keyHeader = "X-Partner-Key"
	basicUser = "courier"
)

// brief is the lifetime of tokens that a test sees refreshed. At the least three eighths of it are left for that, also on a machine that
// has much else to do.
const brief = 8 * time.Second

// newScene makes a project whose authorization server gives tokens of the given lifetime.
func newScene(t testing.TB, w World, lifetime time.Duration) *scene {
	t.Helper()
	s := &scene{rest: newREST(t, w), world: w, project: "projects/p" + unique()}
	s.secrets.client, s.secrets.apiKey, s.secrets.password = secret(), secret(), secret()
	var err error
	s.auth, err = authserver.New(authserver.Config{
		TokenLifetime: lifetime,
		Clients:       []authserver.Client{{ID: clientID, Secrets: []string{s.secrets.client}, Scopes: []string{apiScope}}},
	})
	require.NoError(t, err)
	s.authSite = newSite(t, s.auth.Handler())
	s.api, err = resourceapi.New(resourceapi.Config{
		Keys: s.auth, Issuer: s.authSite.url(), RequiredScope: apiScope,
		BasicUsers: map[string]string{basicUser: s.secrets.password},
		APIKeys:    map[string]string{keyHeader: s.secrets.apiKey},
	})
	require.NoError(t, err)
	whole := s.api.Handler()
	s.apiSite = newSite(t, http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if status := s.refuse.Load(); status != 0 {
			http.Error(out, "refused for now", int(status))
			return
		}
		whole.ServeHTTP(out, r)
	}))
	return s
}

// unique is a part of a name.
func unique() string { return strings.ToLower(rand.Text()[:10]) }

// secret is a secret that changes in every encoding.
func secret() string { return `s3cr&"+/=é` + rand.Text() }

func (s *scene) path() string                { return "/v1/" + s.project }
func (s *scene) connection(id string) string { return s.path() + "/connections/" + id }
func (s *scene) token(id string) string      { return s.connection(id) + "/token" }

// The three kinds of connections, complete with their secrets.
func (s *scene) oauth2() map[string]any {
	return map[string]any{"oauth2": map[string]any{
		"grantType": "CLIENT_CREDENTIALS", "tokenEndpoint": s.authSite.url() + authserver.PathToken,
		"clientId": clientID, "clientSecret": s.secrets.client, "scopes": []string{apiScope},
	}}
}

func (s *scene) apiKey() map[string]any {
	return map[string]any{"apiKey": map[string]any{"name": keyHeader, "value": s.secrets.apiKey}}
}

func (s *scene) basic() map[string]any {
	return map[string]any{"basic": map[string]any{"username": basicUser, "password": s.secrets.password}}
}

// connect creates a connection and waits until it is AUTHORIZED.
func (s *scene) connect(t testing.TB, id string, settings any) {
	t.Helper()
	s.ok(t, http.MethodPost, s.path()+"/connections?connectionId="+id, settings, nil)
	s.awaitConnection(t, id, "AUTHORIZED")
}

// awaitConnection waits for a state of a connection.
func (s *scene) awaitConnection(t testing.TB, id, state string) connection {
	t.Helper()
	var c connection
	eventually(t, "connection "+id+" "+state, patience, func() error {
		s.ok(t, http.MethodGet, s.connection(id), nil, &c)
		return on(c.State == state, "%s %s: %s", c.State, c.StateReason, c.StateMessage)
	})
	return c
}

// current returns the token of a connection.
func (s *scene) current(t testing.TB, id string) token {
	t.Helper()
	var tok token
	s.ok(t, http.MethodGet, s.token(id), nil, &tok)
	return tok
}

// destine creates a destination at a path of the API, and a rule that sends it all events of its name as their source. Fields of the
// target can be given, or taken away with nil.
func (s *scene) destine(t testing.TB, id, connection, path string, target map[string]any) {
	t.Helper()
	s.ok(t, http.MethodPost, s.path()+"/destinations?destinationId="+id, map[string]any{
		"connection": s.project + "/connections/" + connection, "endpoint": s.apiSite.url() + path, "httpMethod": "PATCH", "timeout": "2s",
	}, nil)
	all := map[string]any{
		"id": "t1", "destination": s.project + "/destinations/" + id, "pathParameterValues": []string{"$.detail.id"}, "inputPath": "$.detail",
	}
	for name, value := range target {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	s.ok(t, http.MethodPost, s.path()+"/buses/default/rules?ruleId="+id, map[string]any{
		"eventPattern": `{"source":["` + id + `"]}`, "targets": []any{all},
	}, nil)
}

// put puts an event {"id": id} and returns its event id.
func (s *scene) put(t testing.TB, source, id string) string {
	t.Helper()
	var result putResult
	s.ok(t, http.MethodPost, s.path()+"/buses/default:putEvents", entry(source, id), &result)
	require.Zero(t, result.FailedEntryCount)
	require.Len(t, result.Entries, 1)
	require.NotEmpty(t, result.Entries[0].EventID)
	return result.Entries[0].EventID
}

func entry(source, id string) map[string]any {
	return groupEntry(source, id, "")
}

// groupEntry is an entry of a group.
func groupEntry(source, id, group string) map[string]any {
	return map[string]any{"entries": []any{map[string]any{
		"source": source, "detailType": "OrderCompleted", "detail": `{"id":"` + id + `"}`, "messageGroupId": group,
	}}}
}

// list returns the deliveries that a filter selects.
func (s *scene) list(t testing.TB, filter string) []delivery {
	t.Helper()
	var page struct{ Deliveries []delivery }
	s.ok(t, http.MethodGet, s.path()+"/deliveries?pageSize=250&filter="+url.QueryEscape(filter), nil, &page)
	return page.Deliveries
}

// awaitDelivery waits until the one delivery of an event is in a state, and returns it with its attempts.
func (s *scene) awaitDelivery(t testing.TB, event, state string) delivery {
	t.Helper()
	var d delivery
	eventually(t, "delivery "+state, patience, func() error {
		found := s.list(t, `event.id = "`+event+`"`)
		if len(found) != 1 {
			return on(false, "%d deliveries", len(found))
		}
		s.ok(t, http.MethodGet, "/v1/"+found[0].Name, nil, &d)
		return on(d.State == state, "%s, attempts %+v, error %s %s", d.State, d.Attempts, d.ErrorCode, d.ErrorMessage)
	})
	return d
}

// deliver puts an event and waits until it was delivered.
func (s *scene) deliver(t testing.TB, source, id string) delivery {
	t.Helper()
	return s.awaitDelivery(t, s.put(t, source, id), "SUCCEEDED")
}

// rotations returns the last rotations of a token, newest first.
func (s *scene) rotations(t testing.TB, id string) []rotation {
	t.Helper()
	var all []rotation
	for next := ""; ; {
		var page struct {
			Rotations     []rotation
			NextPageToken string
		}
		s.ok(t, http.MethodGet, s.token(id)+"/rotations?pageSize=250&pageToken="+url.QueryEscape(next), nil, &page)
		all = append(all, page.Rotations...)
		if next = page.NextPageToken; next == "" {
			return all
		}
	}
}

// site is a web server at a fixed address that can be taken down.
type site struct {
	addr    string
	handler http.Handler
	server  *http.Server
	ended   chan error
	conns   atomic.Int64 // that are open
}

func newSite(t testing.TB, handler http.Handler) *site {
	t.Helper()
	s := &site{addr: addresses(t, 1)[0], handler: handler}
	s.open(t)
	t.Cleanup(func() { s.close(t) })
	return s
}

func (s *site) url() string { return "http://" + s.addr }

// open makes it answer.
func (s *site) open(t testing.TB) {
	t.Helper()
	listener, err := net.Listen("tcp", s.addr)
	require.NoError(t, err)
	s.server, s.ended = &http.Server{Handler: s.handler, ConnState: s.count}, make(chan error, 1)
	go func() { s.ended <- s.server.Serve(listener) }()
}

func (s *site) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.conns.Add(-1)
	case http.StateActive, http.StateIdle:
	}
}

// close breaks all connections and refuses new ones. It may be called again.
func (s *site) close(t testing.TB) {
	t.Helper()
	if s.server == nil {
		return
	}
	require.NoError(t, s.server.Close())
	if err := <-s.ended; !errors.Is(err, http.ErrServerClosed) {
		require.NoError(t, err)
	}
	s.server = nil
}
