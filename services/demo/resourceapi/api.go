package resourceapi

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"sync"
	"time"
)

// maxBodyBytes bounds the body of a call.
const maxBodyBytes = 1 << 20

// API is an HTTP API that checks every call. It starts no goroutines and needs no closing. All
// methods may be called at any time from several goroutines.
type API struct {
	keys        KeySource
	issuer      string
	audience    string
	scope       string
	revokedElse func(jti string) bool
	idHeader    string
	idField     string
	history     int
	now         func() time.Time

	mu        sync.Mutex
	basic     map[string][]string // user → accepted passwords
	apiKeys   map[string][]string // canonical header name → accepted values
	revoked   map[string]bool     // by jti
	attempts  map[string]int      // of the fault paths
	calls     []Call
	delivered map[string]int
	stats     Stats
	changed   chan struct{}
}

// verdict is the decision about a call, and with it the answer.
type verdict struct {
	status    int
	cause     Cause
	challenge string // WWW-Authenticate
	header    http.Header
	detail    string // explains cause in the answer
}

// New returns an API.
func New(cfg Config) (*API, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	a := &API{
		keys:        cfg.Keys,
		issuer:      cfg.Issuer,
		audience:    cfg.Audience,
		scope:       cfg.RequiredScope,
		revokedElse: cfg.Revoked,
		idHeader:    cfg.IDHeader,
		idField:     cfg.IDField,
		history:     cfg.History,
		now:         cfg.Now,
		basic:       map[string][]string{},
		apiKeys:     map[string][]string{},
		revoked:     map[string]bool{},
		attempts:    map[string]int{},
		delivered:   map[string]int{},
		stats:       Stats{Refused: map[Cause]int{}},
		changed:     make(chan struct{}),
	}
	for user, password := range cfg.BasicUsers {
		a.basic[user] = []string{password}
	}
	for header, value := range cfg.APIKeys {
		a.apiKeys[http.CanonicalHeaderKey(header)] = []string{value}
	}
	return a, nil
}

// Handler serves, for every method:
//
//	/orders/{id}   with a bearer token
//	/basic/{id}    with Basic credentials
//	/apikey/{id}   with an API key in a header
//
// and without credentials:
//
//	/status/{code}?n=3&retry_after=2&location=…   that status, for the first n calls (always without n), then 200
//	/slow?d=2s                                    200 after a while
//	/flaky?fail=2                                 503 for the first calls, then 200
//
// The first calls are counted per URL and delivery id: every event fails as often, and any further
// query parameter makes an independent counter.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/orders/{id}", a.serve(a.bearer))
	mux.HandleFunc("/basic/{id}", a.serve(a.basicAuth))
	mux.HandleFunc("/apikey/{id}", a.serve(a.apiKey))
	mux.HandleFunc("/status/{code}", a.serve(a.status))
	mux.HandleFunc("/slow", a.serve(a.slow))
	mux.HandleFunc("/flaky", a.serve(a.flaky))
	return mux
}

// serve takes a call through its decision and its record to its answer.
func (a *API) serve(decide func(*http.Request, *Call) verdict) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		call := Call{Time: a.now(), Method: r.Method, Path: r.URL.Path, Query: r.URL.Query()}
		a.arrived()
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
		call.Body = body
		call.ID = a.deliveryID(r, body)
		v := verdict{status: http.StatusRequestEntityTooLarge}
		if err == nil {
			v = decide(r, &call)
		} else if tooLarge := new(http.MaxBytesError); !errors.As(err, &tooLarge) {
			v = verdict{status: http.StatusBadRequest}
		}
		call.Status, call.Cause = v.status, v.cause
		// Before the answer is sent: its reader may look at the record at once.
		a.finished(call, r.Header)
		v.write(w, call.ID)
	}
}

func (v verdict) write(w http.ResponseWriter, id string) {
	if v.status == 0 { // the caller is gone
		return
	}
	maps.Copy(w.Header(), v.header)
	if v.challenge != "" {
		w.Header().Set("WWW-Authenticate", v.challenge)
	}
	members := map[string]string{"id": id}
	if v.cause != "" {
		members = map[string]string{"error": string(v.cause)}
		if v.detail != "" {
			members["detail"] = v.detail
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(v.status)
	// The client may be gone, or the status may allow no body; neither matters here.
	_ = json.NewEncoder(w).Encode(members)
}

// RevokeToken makes the API refuse the token with this jti although it has not expired.
func (a *API) RevokeToken(jti string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.revoked[jti] = true
}

func (a *API) isRevoked(jti string) bool {
	a.mu.Lock()
	here := a.revoked[jti]
	a.mu.Unlock()
	return here || a.revokedElse != nil && a.revokedElse(jti)
}
