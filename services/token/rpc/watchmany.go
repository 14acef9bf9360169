package rpc

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
	"github.com/freshet-io/freshet/services/token"
)

// maxNames bounds the names on one stream.
const maxNames = 100_000

// WatchTokens implements TokenService.
func (p *public) WatchTokens(stream grpc.BidiStreamingServer[tokenv1.WatchTokensRequest, tokenv1.WatchTokensResponse]) error {
	ctx := stream.Context()
	m := &many{
		public: p, stream: stream, watcher: p.svc.Watch(ctx), refused: make(chan *tokenv1.WatchTokensError), sent: map[token.Key]*generation{},
	}
	defer m.watcher.Close(ctx)
	received := make(chan error, 1)
	go func() { received <- m.receive(ctx) }() // ends with the stream: Recv fails once the handler has returned
	return p.fail(ctx, token.Key{}, m.send(ctx, received))
}

// many is one WatchTokens stream.
type many struct {
	*public
	stream  grpc.BidiStreamingServer[tokenv1.WatchTokensRequest, tokenv1.WatchTokensResponse]
	watcher *token.Watcher

	// refused carries names that cannot be watched from receive to send. It has no buffer: who asks for what is not there and
	// does not listen is not heard.
	refused chan *tokenv1.WatchTokensError

	mu   sync.Mutex
	sent map[token.Key]*generation // the last one of each name
}

// generation is one that was sent.
type generation struct {
	number    int64
	uid       string // of the connection
	committed time.Time
	pushed    bool // it was sent because it was new, not because the watching began
	acked     bool
}

// receive applies the receiver's messages until it sends no more.
func (m *many) receive(ctx context.Context) error {
	for {
		in, err := m.stream.Recv()
		if err != nil {
			return err
		}
		switch action := in.GetAction().(type) {
		case *tokenv1.WatchTokensRequest_Subscribe:
			for _, name := range action.Subscribe.GetNames() {
				m.subscribe(ctx, name)
			}
		case *tokenv1.WatchTokensRequest_Unsubscribe:
			for _, name := range action.Unsubscribe.GetNames() {
				m.unsubscribe(name)
			}
		case *tokenv1.WatchTokensRequest_Acknowledge:
			m.acknowledge(ctx, action.Acknowledge)
		}
	}
}

func (m *many) subscribe(ctx context.Context, name string) {
	key, err := token.ParseName(name)
	if err == nil && m.watcher.Len() >= maxNames {
		err = rpcerr.New(codes.ResourceExhausted, errorsv1.Reason_LIMIT_EXCEEDED, "at most %d names on one stream", maxNames)
	} else if err == nil {
		err = m.watcher.Add(ctx, key)
		if err != nil {
			err = m.fail(ctx, key, err)
		}
	}
	if err != nil {
		select {
		case m.refused <- refusal(name, err):
		case <-ctx.Done():
		}
	}
}

func (m *many) unsubscribe(name string) {
	key, err := token.ParseName(name)
	if err != nil {
		return
	}
	m.watcher.Remove(key)
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sent, key)
}

// refusal says why a name is not, or no longer, watched. err is a status, or an error of names.
func refusal(name string, err error) *tokenv1.WatchTokensError {
	if errors.Is(err, token.ErrInvalidName) {
		return &tokenv1.WatchTokensError{Name: name, Reason: errorsv1.Reason_INVALID_FIELD, Message: err.Error()}
	}
	return &tokenv1.WatchTokensError{Name: name, Reason: rpcerr.ReasonOf(err), Message: status.Convert(err).Message()}
}

// acknowledge accounts for a generation that arrived.
func (m *many) acknowledge(ctx context.Context, a *tokenv1.WatchTokensAcknowledge) {
	key, err := token.ParseName(a.GetName())
	if err != nil {
		return
	}
	m.watcher.Acknowledge(key, a.GetGeneration())
	m.mu.Lock()
	g := m.sent[key]
	news := g != nil && !g.acked && a.GetGeneration() == g.number // of one that was overtaken nothing is to be learned
	if news {
		g.acked = true
	}
	m.mu.Unlock()
	if news && g.pushed {
		m.svc.Acknowledged(ctx, g.committed)
	}
}

// send sends what is pending until the stream ends. A receiver that sends no more may go on listening.
func (m *many) send(ctx context.Context, received <-chan error) error {
	timer := time.NewTimer(defaultHeartbeat)
	defer timer.Stop()
	for {
		var err error
		select {
		case <-m.watcher.Wake():
			err = m.sendTokens(ctx)
		case r := <-m.refused:
			err = m.sendRefusal(r)
		case <-timer.C:
			err = m.stream.Send(&tokenv1.WatchTokensResponse{
				Event: &tokenv1.WatchTokensResponse_Heartbeat{Heartbeat: &tokenv1.WatchTokensHeartbeat{}},
			})
		case err = <-received:
			received = nil
			if errors.Is(err, io.EOF) {
				err = nil
			}
		case <-m.draining:
			err = token.ErrShuttingDown
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		timer.Reset(defaultHeartbeat)
	}
}

func (m *many) sendTokens(ctx context.Context) error {
	for _, update := range m.watcher.Take() {
		if update.Deleted || !m.note(update) {
			key := update.Token.Key
			m.watcher.Remove(key)
			if err := m.sendRefusal(refusal(key.Name(), m.fail(ctx, key, token.ErrNotFound))); err != nil {
				return err
			}
			continue
		}
		v, err := m.view(update)
		if err != nil {
			return err
		}
		err = m.stream.Send(&tokenv1.WatchTokensResponse{Event: &tokenv1.WatchTokensResponse_Token{Token: v.token}})
		if err != nil {
			return err
		}
		m.svc.Served(ctx, v.shown)
	}
	return nil
}

// note remembers a generation that is about to be sent. It reports false if the token is no longer that of the connection whose
// token was sent before: to whoever watches it, that one was deleted.
func (m *many) note(update *token.Update) bool {
	t := &update.Token
	m.mu.Lock()
	defer m.mu.Unlock()
	last := m.sent[t.Key]
	switch {
	case last != nil && last.uid != t.ConnectionUID:
		delete(m.sent, t.Key)
		return false
	case last != nil && last.number == t.Generation: // the same in another state
	default:
		m.sent[t.Key] = &generation{
			number: t.Generation, uid: t.ConnectionUID, committed: t.LastSuccess, pushed: !update.Snapshot && t.Generation > 0,
		}
	}
	return true
}

func (m *many) sendRefusal(r *tokenv1.WatchTokensError) error {
	return m.stream.Send(&tokenv1.WatchTokensResponse{Event: &tokenv1.WatchTokensResponse_Error{Error: r}})
}
