package proxy

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/sdk/tokensource"
	"github.com/freshet-io/freshet/services/gateway/proxy/hygiene"
)

const (
	// firstUse bounds the wait for a token that was not watched yet.
	firstUse = 10 * time.Second
	// unusedAfter is how long a token is watched that no call uses.
	unusedAfter = 10 * time.Minute
	// maxWatched bounds the tokens that are watched at a time.
	maxWatched = 10_000
	// looks is how many of them are looked at for one to make room.
	looks = 50
)

// sources are the tokens that are watched because calls use them.
type sources struct {
	conn      grpc.ClientConnInterface
	transport http.RoundTripper
	logger    *slog.Logger
	most      int

	ctx    context.Context // ends with Run
	end    context.CancelFunc
	opened sync.WaitGroup // goroutines that open and close

	mu     sync.Mutex
	byName map[string]*source
	ended  bool
}

// source is one token that is, or is going to be, watched.
type source struct {
	ready chan struct{} // closes when token and transport, or err, are set
	err   error
	token *tokensource.Source
	http.RoundTripper

	latest atomic.Pointer[state]

	uses    int // calls that have it at the moment
	used    time.Time
	dropped bool // no longer in byName: closed with the last use
	closing bool
}

// state is a token as it was last seen. It is shared and must not be modified.
type state struct {
	token   *tokenv1.Token
	secrets *hygiene.Secrets // what must not come back in an answer
	changed <-chan struct{}  // closes when the token is another
}

// current returns the token's newest state.
func (h *source) current() (*state, error) {
	if known := h.latest.Load(); known != nil {
		select {
		case <-known.changed:
		default:
			return known, nil
		}
	}
	changed := h.token.Updated()
	token, err := h.token.Current()
	if err != nil {
		return nil, err
	}
	known := &state{token: token, secrets: hygiene.NewSecrets(secretsOf(token)...), changed: changed}
	h.latest.Store(known)
	return known, nil
}

// secretsOf are the values by which a token gets onto a request.
func secretsOf(token *tokenv1.Token) []string {
	credential := token.GetCredential()
	var values []string
	for _, list := range [][]*tokenv1.HttpCredentialField{credential.GetHeaders(), credential.GetQuery(), credential.GetBody()} {
		for _, field := range list {
			values = append(values, field.GetValue())
		}
	}
	if token.GetAccessToken() != "" {
		values = append(values, token.GetAccessToken())
	}
	return values
}

func newSources(conn grpc.ClientConnInterface, transport http.RoundTripper, logger *slog.Logger, most int) *sources {
	s := &sources{conn: conn, transport: transport, logger: logger, most: most, byName: map[string]*source{}}
	s.ctx, s.end = context.WithCancel(context.Background())
	return s
}

// acquire returns the watched token of a name once there is a usable one; release gives it back.
func (s *sources) acquire(ctx context.Context, name string) (*source, error) {
	held := s.enter(name)
	if held == nil {
		return nil, tokensource.ErrClosed
	}
	select {
	case <-held.ready:
	case <-ctx.Done():
		s.release(held)
		return nil, context.Cause(ctx)
	}
	if held.err != nil {
		s.release(held)
		return nil, held.err
	}
	return held, nil
}

// enter counts a use of the token of a name, and has it opened if it is not.
func (s *sources) enter(name string) *source {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil
	}
	held := s.byName[name]
	if held != nil && held.isOver() {
		s.drop(name, held)
		held = nil
	}
	if held == nil {
		if len(s.byName) >= s.most {
			s.makeRoom()
		}
		held = &source{ready: make(chan struct{})}
		s.byName[name] = held
		s.opened.Go(func() { s.open(name, held) })
	}
	held.uses++
	held.used = time.Now()
	return held
}

// open watches a token. A token that cannot be had is asked for again by the next call.
func (s *sources) open(name string, held *source) {
	ctx, cancel := context.WithTimeout(s.ctx, firstUse)
	defer cancel()
	token, err := tokensource.New(ctx, s.conn, name, tokensource.WithLogger(s.logger), tokensource.WithInsecureHTTP()) // the egress guard judges schemes
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		held.err = err
		s.drop(name, held)
	} else {
		held.token, held.RoundTripper = token, token.RoundTripper(s.transport)
	}
	close(held.ready)
	if held.dropped && held.uses <= 0 {
		s.close(held)
	}
}

// isOver reports whether a watch has ended for good, because the token was deleted for instance.
func (h *source) isOver() bool {
	select {
	case <-h.ready:
		return h.err != nil || h.token.Err() != nil
	default:
		return false
	}
}

func (s *sources) release(held *source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held.uses--
	held.used = time.Now()
	if held.dropped && held.uses <= 0 {
		s.close(held)
	}
}

// drop takes a token out. s.mu is held.
func (s *sources) drop(name string, held *source) {
	if s.byName[name] == held {
		delete(s.byName, name)
	}
	held.dropped = true
	if held.uses <= 0 {
		s.close(held)
	}
}

// close ends a watch, in the background because that takes a moment. s.mu is held. A watch that is being opened closes itself.
func (s *sources) close(held *source) {
	if held.token != nil && !held.closing {
		held.closing = true
		s.opened.Go(func() { _ = held.token.Close() })
	}
}

// makeRoom gives up the token that was used the longest ago of some that are looked at. s.mu is held.
func (s *sources) makeRoom() {
	oldest, seen := "", 0
	for name, held := range s.byName { // in no order
		if oldest == "" || held.used.Before(s.byName[oldest].used) {
			oldest = name
		}
		if seen++; seen == looks {
			break
		}
	}
	s.drop(oldest, s.byName[oldest])
}

// run gives up what nobody uses, until ctx ends; then it ends all watches.
func (s *sources) run(ctx context.Context) {
	ticker := time.NewTicker(unusedAfter / 10)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.sweep(time.Now())
		case <-ctx.Done():
			s.stop()
			return
		}
	}
}

func (s *sources) sweep(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, held := range s.byName {
		if held.uses == 0 && now.Sub(held.used) > unusedAfter {
			s.drop(name, held)
		}
	}
}

func (s *sources) stop() {
	s.mu.Lock()
	s.ended = true
	for name, held := range s.byName {
		held.uses = 0 // calls in flight have their token
		s.drop(name, held)
	}
	s.mu.Unlock()
	s.end()
	s.opened.Wait()
}
