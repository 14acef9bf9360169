package tokensource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

// silentHeartbeats is how many heartbeats may be missed before the peer counts
// as dead.
const silentHeartbeats = 3

var (
	errSilent      = errors.New("nothing was received for too long")
	errStreamEnded = errors.New("the server ended the stream")
)

// watch keeps a stream open until the source is closed or an answer ends it.
// Only the source's own context counts as closing: a status of Canceled may as
// well come from a server or a proxy.
func (s *Source) watch() {
	var delays backoff
	for {
		err := s.receive(delays.reset)
		if s.ctx.Err() != nil {
			s.end(ErrClosed)
			return
		}
		if s.permanent(err) {
			s.opts.logger.ErrorContext(s.ctx, "token watch ended", "token", s.name, "error", err)
			s.end(fmt.Errorf("tokensource: %s: watch ended: %w", s.name, err))
			return
		}
		delay := delays.next(s.failed(err) / 2)
		s.opts.logger.WarnContext(s.ctx, "token stream lost", "token", s.name, "error", err, "retry_in", delay)
		select {
		case <-time.After(delay):
		case <-s.ctx.Done():
		}
	}
}

// receive runs one stream and returns why it ended, never nil. It calls
// received with each message.
func (s *Source) receive(received func()) error {
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	patience := silentHeartbeats * s.opts.heartbeat
	silence := time.AfterFunc(patience, func() { cancel(errSilent) })
	defer silence.Stop()

	stream, err := s.client.WatchToken(ctx, &tokenv1.WatchTokenRequest{
		Name:              s.name,
		HeartbeatInterval: durationpb.New(s.opts.heartbeat),
	})
	var last *tokenv1.Token // what this stream has said
	for err == nil {
		var message *tokenv1.WatchTokenResponse
		if message, err = stream.Recv(); err == nil {
			silence.Reset(patience)
			received()
			token := message.GetToken()
			s.apply(token, !proto.Equal(last, token))
			last = token
		}
	}
	if errors.Is(context.Cause(ctx), errSilent) {
		return fmt.Errorf("%w (%s)", errSilent, patience)
	}
	if errors.Is(err, io.EOF) {
		return errStreamEnded
	}
	return err
}

// apply takes over a state from the stream. Whatever the server says counts,
// also a lower generation: a connection that was made anew starts at 1. What is
// no news of the stream, a heartbeat, does not: it may have been on its way
// while [Source.adopt] took over a later generation.
func (s *Source) apply(token *tokenv1.Token, news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.health.connected {
		s.opts.logger.InfoContext(s.ctx, "token stream up", "token", s.name)
	}
	s.health.connected = true
	s.health.lastMessageTime = time.Now()
	if token == nil || !news || proto.Equal(s.token, token) {
		return
	}
	s.opts.logger.DebugContext(s.ctx, "token state received", "token", s.name,
		"generation", token.GetGeneration(), "state", token.GetState().String())
	s.setLocked(token)
}

// adopt takes over a token that was asked for, unless the stream was faster.
func (s *Source) adopt(token *tokenv1.Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil && token.GetGeneration() > s.token.GetGeneration() {
		s.setLocked(token)
	}
}

// failed records the end of a stream. It returns for how long the token at hand
// is still good, which limits the delay: an attempt must be made before then.
func (s *Source) failed(err error) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.health.connected = false
	s.health.lastError = err
	s.health.lastErrorTime = now
	if s.checkLocked(now) != nil {
		return forever
	}
	return s.lifeLeft(s.token, now)
}

// permanent reports whether connecting again is of no use.
func (s *Source) permanent(err error) bool {
	switch status.Code(err) {
	case codes.NotFound, codes.PermissionDenied, codes.InvalidArgument:
		return true
	case codes.Unauthenticated, codes.Unimplemented:
		s.mu.RLock()
		defer s.mu.RUnlock()
		return s.health.lastMessageTime.IsZero()
	default:
		return false
	}
}

// end records why the watch is over.
func (s *Source) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.health.connected = false
	if !errors.Is(err, ErrClosed) {
		s.health.lastError = err
		s.health.lastErrorTime = time.Now()
	}
	s.ended = err
	s.notifyLocked()
}
