package issuer

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/freshet-io/freshet/services/bench/child"
)

const (
	anyPort       = "127.0.0.1:0"
	headersWithin = 10 * time.Second
	maxForm       = 64 << 10
	tokenPath     = "/token"
	awaitPath     = "/await"
	addrName      = "issuer"
	rootName      = "root"
)

// Lifetime of the access tokens.
const Lifetime = time.Hour

// Config is whose refresh tokens are redeemed.
type Config struct {
	// Grants is how many there are. Each begins with Grant(number, 0).
	Grants int `json:"grants"`
	// ClientID and ClientSecret are the only client's, which authenticates by HTTP Basic.
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
}

// Run is the process of the issuer: it serves until stdin or ctx ends.
func Run(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	var config Config
	ctx, err := child.Configure(ctx, stdin, &config)
	if err != nil {
		return err
	}
	return Serve(ctx, config, func(addrs map[string]string) error { return child.Announce(stdout, addrs) })
}

// Serve serves the issuer on a free port of the loopback interface until ctx ends, and calls ready once with where that is, for
// [NewClient].
func Serve(ctx context.Context, config Config, ready func(addrs map[string]string) error) error {
	s := &server{config: config, ledger: newLedger(config.Grants)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+tokenPath, s.token)
	mux.HandleFunc("GET "+awaitPath, s.await)
	certificate, root, err := selfSigned()
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", anyPort)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: headersWithin, TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		ErrorLog: log.New(io.Discard, "", 0), // of handshakes that were broken off when a run ended
	}
	ended := make(chan error, 1)
	go func() { ended <- server.ServeTLS(listener, "", "") }()
	if err := ready(map[string]string{addrName: "https://" + listener.Addr().String(), rootName: root}); err != nil {
		return errors.Join(err, server.Close(), <-ended)
	}
	<-ctx.Done()
	err = server.Close()
	if end := <-ended; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return err
}

type server struct {
	config Config
	ledger *ledger
}

// answer is a token response (RFC 6749 sections 5.1 and 5.2).
type answer struct {
	AccessToken  string `json:"access_token,omitempty"`
	TokenType    string `json:"token_type,omitempty"`
	ExpiresIn    int    `json:"expires_in,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Error        string `json:"error,omitempty"`
}

func (s *server) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	id, secret, ok := r.BasicAuth()
	if !ok || id != s.config.ClientID || secret != s.config.ClientSecret {
		s.ledger.refused.Add(1)
		send(w, http.StatusUnauthorized, answer{Error: "invalid_client"})
		return
	}
	if r.PostFormValue("grant_type") != "refresh_token" {
		s.ledger.refused.Add(1)
		send(w, http.StatusBadRequest, answer{Error: "unsupported_grant_type"})
		return
	}
	next, ok := s.ledger.redeem(r.PostFormValue("refresh_token"))
	if !ok {
		send(w, http.StatusBadRequest, answer{Error: "invalid_grant"})
		return
	}
	send(w, http.StatusOK, answer{
		AccessToken: rand.Text() + rand.Text(), TokenType: "Bearer", ExpiresIn: int(Lifetime / time.Second), RefreshToken: next,
	})
}

func send(w http.ResponseWriter, status int, a answer) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(a) // whoever asked may be gone
}

// await answers with a Report once a range of grants is redeemed or nothing is any more.
func (s *server) await(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	from, err1 := strconv.Atoi(query.Get("from"))
	step, err2 := strconv.Atoi(query.Get("step"))
	n, err3 := strconv.Atoi(query.Get("n"))
	patience, err4 := time.ParseDuration(query.Get("patience"))
	of := Range{From: from, Step: step, N: n}
	if err := errors.Join(err1, err2, err3, err4); err != nil || !of.in(s.config.Grants) {
		http.Error(w, fmt.Sprintf("from, step and n must be a range of the %d grants and patience a duration: %v", s.config.Grants, err),
			http.StatusBadRequest)
		return
	}
	if err := s.ledger.await(r.Context(), of, patience); err != nil {
		return // nobody is there to be answered
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s.ledger.report(of)) // as above
}
