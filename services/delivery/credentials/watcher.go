package credentials

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/delivery"
)

const (
	// reconnectMin and reconnectMax bound the pause before the stream is opened again; it doubles with every failure in a row.
	reconnectMin = 50 * time.Millisecond
	reconnectMax = 5 * time.Second
	// askAgainMin and askAgainMax bound the pause before a token is asked for again that could not be watched.
	askAgainMin = 100 * time.Millisecond
	askAgainMax = 10 * time.Second
	// askLapsed is the least pause before a token that is obtained on demand is asked for again.
	askLapsed = time.Second
	// unusedAfter is how long a token is watched that nobody asks for.
	unusedAfter = 10 * time.Minute
	// silence is how long a stream may say nothing, heartbeats included, before it is taken for dead.
	silence = 2 * time.Minute
	// maxNames is the number of names in one message.
	maxNames = 1000
)

// Watcher implements delivery.Credentials.
type Watcher struct {
	client tokenv1.TokenServiceClient
	proofs tokenv1.DpopServiceClient
	signer tokenv1.Oauth1ServiceClient
	logger *slog.Logger
	now    func() time.Time
	most   int // watched at a time

	mu      sync.Mutex
	watched map[string]*watched // by token name
	outbox  []*tokenv1.WatchTokensRequest
	kick    chan struct{} // holds one: look at the outbox
}

// watched is a token that is watched.
type watched struct {
	credential *delivery.Credential
	changed    chan struct{} // closes when credential is replaced
	onDemand   bool          // it is there when somebody asks for it
	used       time.Time
	refusals   int       // in a row
	askAgain   time.Time // zero: not refused
	asked      time.Time // when it was last asked for because it had lapsed
}

// lapsed reports whether the credential expired and is one that is not renewed before somebody asks for it.
func (e *watched) lapsed(now time.Time) bool {
	return e.credential.State == delivery.CredentialInvalid && e.onDemand && now.Sub(e.asked) > askLapsed
}

var _ delivery.Credentials = (*Watcher)(nil)

// Options tune a Watcher. The zero value is ready for use.
type Options struct {
	// Logger hears of streams that end. Default: discard.
	Logger *slog.Logger
	// Now is the clock of credentials' Since. Default: time.Now.
	Now func() time.Time
	// MaxWatched bounds the tokens that are watched at a time: beyond it, one that was not asked for lately makes room. Default: 100,000.
	MaxWatched int
}

// New returns a watcher on a connection to the token service. It learns nothing before Run.
func New(conn grpc.ClientConnInterface, o Options) *Watcher {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxWatched <= 0 {
		o.MaxWatched = defaultMaxWatched
	}
	return &Watcher{
		most: o.MaxWatched, client: tokenv1.NewTokenServiceClient(conn), proofs: tokenv1.NewDpopServiceClient(conn), signer: tokenv1.NewOauth1ServiceClient(conn), logger: o.Logger, now: o.Now,
		watched: map[string]*watched{}, kick: make(chan struct{}, 1),
	}
}

// Current implements delivery.Credentials.
func (w *Watcher) Current(connection string) (*delivery.Credential, <-chan struct{}) {
	name := connection + "/token"
	w.mu.Lock()
	defer w.mu.Unlock()
	entry := w.watched[name]
	if entry == nil {
		entry = &watched{credential: &delivery.Credential{Since: w.now()}, changed: make(chan struct{})}
		if len(w.watched) >= w.most {
			w.makeRoom()
		}
		w.watched[name] = entry
		w.send(subscribe([]string{name}))
	}
	entry.used = time.Now()
	if entry.lapsed(entry.used) {
		entry.asked = entry.used
		w.send(subscribe([]string{name}))
	}
	return entry.credential, entry.changed
}

// Reject implements delivery.Credentials.
func (w *Watcher) Reject(ctx context.Context, connection, fingerprint string) error {
	if fingerprint == "" { // a connection without a credential: nothing to renew
		return nil
	}
	_, err := w.client.ReportRejected(ctx, &tokenv1.ReportRejectedRequest{Name: connection + "/token", Fingerprint: fingerprint})
	return err
}

// Run keeps the stream open until ctx ends, and returns the error of ctx.
func (w *Watcher) Run(ctx context.Context) error {
	for failures := 0; ; failures++ {
		heard, err := w.stream(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if heard {
			failures = 0
		}
		pause := backoff(failures, reconnectMin, reconnectMax)
		w.logger.InfoContext(ctx, "token stream ended", "error", err, "reconnect_in", pause)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// backoff doubles with every failure, and is drawn from the upper half.
func backoff(failures int, least, most time.Duration) time.Duration {
	pause := min(least<<min(failures, 20), most)
	return pause/2 + rand.N(pause/2)
}

// stream runs one stream to its end and tells whether anything was heard on it.
func (w *Watcher) stream(ctx context.Context) (heard bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := w.client.WatchTokens(ctx)
	if err != nil {
		return false, err
	}
	w.resubscribe()
	var writing sync.WaitGroup
	writing.Go(func() {
		defer cancel() // a stream that cannot be written to is of no use
		w.write(ctx, stream)
	})
	defer writing.Wait()
	defer cancel()
	for {
		quiet := time.AfterFunc(silence, cancel)
		message, err := stream.Recv()
		quiet.Stop()
		if err != nil {
			return heard, err
		}
		heard = true
		w.receive(message)
	}
}

// resubscribe replaces what is left of an earlier stream by subscriptions to everything that is watched.
func (w *Watcher) resubscribe() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outbox = nil
	names := make([]string, 0, len(w.watched))
	for name, entry := range w.watched {
		entry.askAgain = time.Time{}
		names = append(names, name)
	}
	for len(names) > 0 {
		n := min(len(names), maxNames)
		w.send(subscribe(names[:n]))
		names = names[n:]
	}
}

// send queues a message for the stream. w.mu is held.
func (w *Watcher) send(message *tokenv1.WatchTokensRequest) {
	w.outbox = append(w.outbox, message)
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// write sends what is queued, and what becomes due, until ctx ends or the stream fails.
func (w *Watcher) write(ctx context.Context, stream grpc.BidiStreamingClient[tokenv1.WatchTokensRequest, tokenv1.WatchTokensResponse]) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(w.tend())
		w.mu.Lock()
		messages := w.outbox
		w.outbox = nil
		w.mu.Unlock()
		for _, m := range messages {
			if stream.Send(m) != nil {
				return // Recv says why
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-w.kick:
		case <-timer.C:
		}
	}
}

// tend asks again for what was refused, gives up what nobody uses, and returns when to do so next.
func (w *Watcher) tend() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	next := unusedAfter
	var again, unused []string
	for name, entry := range w.watched {
		switch {
		case now.Sub(entry.used) > unusedAfter:
			unused = append(unused, name)
			delete(w.watched, name)
			close(entry.changed) // who waits for it asks again
		case entry.askAgain.IsZero():
		case entry.askAgain.After(now):
			next = min(next, entry.askAgain.Sub(now))
		default:
			again = append(again, name)
			entry.askAgain = time.Time{}
		}
	}
	for len(again) > 0 {
		n := min(len(again), maxNames)
		w.outbox = append(w.outbox, subscribe(again[:n]))
		again = again[n:]
	}
	for len(unused) > 0 {
		n := min(len(unused), maxNames)
		w.outbox = append(w.outbox, &tokenv1.WatchTokensRequest{Action: &tokenv1.WatchTokensRequest_Unsubscribe{
			Unsubscribe: &tokenv1.WatchTokensUnsubscribe{Names: unused[:n]},
		}})
		unused = unused[n:]
	}
	return next
}

// receive takes in one message.
func (w *Watcher) receive(message *tokenv1.WatchTokensResponse) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if token := message.GetToken(); token != nil {
		if entry := w.watched[token.GetName()]; entry != nil {
			entry.refusals, entry.askAgain = 0, time.Time{}
			entry.onDemand = token.GetState() == tokenv1.Token_AUTHORIZING && token.GetStateReason() == errorsv1.Reason_TOKEN_EXPIRED
			w.replace(entry, fromToken(token))
			w.send(&tokenv1.WatchTokensRequest{Action: &tokenv1.WatchTokensRequest_Acknowledge{
				Acknowledge: &tokenv1.WatchTokensAcknowledge{Name: token.GetName(), Generation: token.GetGeneration()},
			}})
		}
	}
	if refused := message.GetError(); refused != nil {
		if entry := w.watched[refused.GetName()]; entry != nil {
			entry.askAgain = time.Now().Add(backoff(entry.refusals, askAgainMin, askAgainMax))
			entry.refusals++
			w.replace(entry, &delivery.Credential{
				State: delivery.CredentialInvalid, Reason: strings.TrimSpace(refused.GetReason().String() + " " + refused.GetMessage()),
			})
			select {
			case w.kick <- struct{}{}: // so that the timer is set
			default:
			}
		}
	}
}

// replace puts a credential in force. w.mu is held.
func (w *Watcher) replace(entry *watched, c *delivery.Credential) {
	c.Since = w.now()
	if entry.credential.State == c.State && entry.credential.Reason == c.Reason {
		c.Since = entry.credential.Since
	}
	entry.credential = c
	close(entry.changed)
	entry.changed = make(chan struct{})
}

func subscribe(names []string) *tokenv1.WatchTokensRequest {
	return &tokenv1.WatchTokensRequest{Action: &tokenv1.WatchTokensRequest_Subscribe{
		Subscribe: &tokenv1.WatchTokensSubscribe{Names: names},
	}}
}
