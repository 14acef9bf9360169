package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/freshet-io/freshet/services/bench/child"
	"github.com/freshet-io/freshet/services/demo/authserver"
)

// KeyHeader carries the API key.
const KeyHeader = "X-Api-Key"

const (
	anyPort        = "127.0.0.1:0"
	headersWithin  = 10 * time.Second
	awaitPath      = "/await"
	tokenLifetime  = time.Hour
	postAddr       = "post-" // and a number from 0
	controlAddr    = "control"
	authServerAddr = "authserver"
)

// Config is what a sink receives and from whom.
type Config struct {
	// IDs is how many bodies there are, of BodyBytes each.
	IDs       int `json:"ids"`
	BodyBytes int `json:"body_bytes"`
	// Addresses is how many addresses take posts, at least one. An HTTP client keeps a pool of connections for each.
	Addresses int `json:"addresses"`
	// APIKey is the key that requests must carry. Empty: a bearer token instead, which is not looked into.
	APIKey string `json:"api_key"`
	// ClientID and ClientSecret are the authorization server's only client.
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
}

// Run is the process of the sink: it serves until stdin or ctx ends.
func Run(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	var config Config
	ctx, err := child.Configure(ctx, stdin, &config)
	if err != nil {
		return err
	}
	return Serve(ctx, config, func(addrs map[string]string) error { return child.Announce(stdout, addrs) })
}

// Serve serves the sink on free ports of the loopback interface until ctx ends, and calls ready once with where that is, for [NewClient].
func Serve(ctx context.Context, config Config, ready func(addrs map[string]string) error) (err error) {
	auth, err := authserver.New(authserver.Config{
		TokenLifetime: tokenLifetime,
		Clients:       []authserver.Client{{ID: config.ClientID, Secrets: []string{config.ClientSecret}}},
	})
	if err != nil {
		return err
	}
	s := &server{config: config, ledger: newLedger(config.IDs), bodies: NewBodies(config.BodyBytes)}
	control := http.NewServeMux()
	control.HandleFunc("GET "+awaitPath, s.await)
	handlers := map[string]http.Handler{controlAddr: control, authServerAddr: auth.Handler()}
	for i := range max(1, config.Addresses) {
		handlers[postAddr+strconv.Itoa(i)] = http.HandlerFunc(s.receive)
	}
	addrs := make(map[string]string, len(handlers))
	servers := make([]*http.Server, 0, len(handlers))
	ended := make(chan error, len(handlers))
	for name, handler := range handlers {
		var lc net.ListenConfig
		listener, err := lc.Listen(ctx, "tcp", anyPort)
		if err != nil {
			return errors.Join(err, closeAll(servers, ended))
		}
		addrs[name] = "http://" + listener.Addr().String()
		server := &http.Server{Handler: handler, ReadHeaderTimeout: headersWithin}
		servers = append(servers, server)
		go func() { ended <- server.Serve(listener) }()
	}
	if err := ready(addrs); err != nil {
		return errors.Join(err, closeAll(servers, ended))
	}
	<-ctx.Done()
	return closeAll(servers, ended)
}

func closeAll(servers []*http.Server, ended <-chan error) error {
	var errs []error
	for _, server := range servers {
		errs = append(errs, server.Close())
	}
	for range servers {
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

type server struct {
	config  Config
	ledger  *ledger
	bodies  Bodies
	buffers sync.Pool
}

// receive takes a post: 204 for one that counts.
func (s *server) receive(w http.ResponseWriter, r *http.Request) {
	if !s.authorized(r.Header) {
		s.ledger.unauthorized.Add(1)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	buffer, ok := s.buffers.Get().(*[]byte)
	if !ok {
		fresh := make([]byte, s.config.BodyBytes+1) // one more, to see bodies that are too long
		buffer = &fresh
	}
	defer s.buffers.Put(buffer)
	n, err := io.ReadFull(r.Body, *buffer)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		w.WriteHeader(http.StatusBadRequest) // broken off; it was not received
		return
	}
	if !s.ledger.note(s.bodies.id((*buffer)[:n])) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *server) authorized(header http.Header) bool {
	if s.config.APIKey != "" {
		return header.Get(KeyHeader) == s.config.APIKey
	}
	token, ok := strings.CutPrefix(header.Get("Authorization"), "Bearer ")
	return ok && token != ""
}

// await answers with a Report once a range of ids is complete or nothing arrives any more.
func (s *server) await(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	from, err1 := strconv.Atoi(query.Get("from"))
	to, err2 := strconv.Atoi(query.Get("to"))
	patience, err3 := time.ParseDuration(query.Get("patience"))
	if err := errors.Join(err1, err2, err3); err != nil || from < 0 || to < from || to > s.config.IDs {
		http.Error(w, fmt.Sprintf("from and to must be a range of the %d ids and patience a duration: %v", s.config.IDs, err), http.StatusBadRequest)
		return
	}
	if err := s.ledger.await(r.Context(), from, to, patience); err != nil {
		return // nobody is there to be answered
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s.ledger.report(from, to)) // as above
}
