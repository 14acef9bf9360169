package tokensource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/sdk/dpop"
)

// Source holds the newest state of one token. It is made by [New], safe for
// concurrent use, and must be closed.
//
// Do not hand it to [oauth2.NewClient] or [oauth2.ReuseTokenSource]: both keep
// the first token until it expires and would not see one that was replaced
// early. Use [Source.HTTPClient], or [oauth2.Transport] directly.
type Source struct {
	name   string
	client tokenv1.TokenServiceClient
	proofs tokenv1.DpopServiceClient
	signer tokenv1.Oauth1ServiceClient
	opts   options
	nonces dpop.Nonces // of the servers that bound tokens are sent to

	ctx        context.Context // the source's life; ended by Close
	cancel     context.CancelFunc
	goroutines sync.WaitGroup
	rejections rejections

	mu      sync.RWMutex
	token   *tokenv1.Token // newest state; replaced, never modified; nil before the first
	oauth   *oauth2.Token  // the same as x/oauth2 has it; nil for static credentials
	updated chan struct{}  // closed and replaced with every change of token or ended
	ended   error          // why the watch is over; nil while it runs
	health  streamHealth
}

// New watches a token over conn and returns when there is a usable one.
//
// The name is projects/{project}/connections/{connection} or
// projects/{project}/connections/{connection}/grants/{grant}, with or without
// /token at the end.
//
// ctx bounds the wait only: afterwards the source lives until Close. Its values,
// outgoing gRPC metadata among them, go along with the stream. The connection
// stays the caller's, who closes it after the source.
//
// Errors: ctx's, together with what was missing until then; a [StateError] when
// the token is DEAUTHORIZED (see [WithWaitForRepair]); the gRPC status of an
// answer that ends the watch, as the package comment lists them.
func New(ctx context.Context, conn grpc.ClientConnInterface, name string, opts ...Option) (*Source, error) {
	name, err := completeName(name)
	if err != nil {
		return nil, err
	}
	o, err := newOptions(opts)
	if err != nil {
		return nil, err
	}
	s := &Source{
		name:    name,
		client:  tokenv1.NewTokenServiceClient(conn),
		proofs:  tokenv1.NewDpopServiceClient(conn),
		signer:  tokenv1.NewOauth1ServiceClient(conn),
		opts:    o,
		updated: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.goroutines.Go(s.watch)
	if err := s.awaitUsable(ctx); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// awaitUsable returns when the token can be used.
func (s *Source) awaitUsable(ctx context.Context) error {
	for {
		updated := s.Updated()
		_, err := s.usable()
		if err == nil || s.final(err) {
			return err
		}
		select {
		case <-updated:
		case <-ctx.Done():
			if _, err = s.usable(); err != nil {
				err = fmt.Errorf("%w: %w", err, context.Cause(ctx))
			}
			return err
		}
	}
}

// final reports whether waiting will not make err go away.
func (s *Source) final(err error) bool {
	if needsRepair(err) && !s.opts.waitForRepair {
		return true
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ended != nil && errors.Is(err, s.ended)
}

// Token returns the current access token from memory. It implements
// [oauth2.TokenSource].
//
// The token's Extra has "scope" (string, scopes separated by spaces),
// "generation" (int64) and "fingerprint" (string, for [Source.ReportRejected]).
// One of type DPoP is of no use by itself, see [Source.Proof].
//
// Errors: [StateError], [ErrExpired], [ErrNoAccessToken], [ErrClosed], and the
// gRPC status that ended the watch; where the stream is down also its last
// failure. All can be met with errors.Is and errors.As.
func (s *Source) Token() (*oauth2.Token, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.checkLocked(time.Now()); err != nil {
		return nil, err
	}
	if s.oauth == nil {
		return nil, fmt.Errorf("tokensource: %s: %w", s.name, ErrNoAccessToken)
	}
	token := *s.oauth
	return &token, nil
}

// Current returns a copy of the token's full state as last received, in
// whatever state it is; also when it has expired meanwhile.
//
// Errors: [ErrClosed], and the gRPC status that ended the watch.
func (s *Source) Current() (*tokenv1.Token, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.ended != nil {
		return nil, s.ended
	}
	return proto.CloneOf(s.token), nil
}

// usable returns the newest state if the credential in it can be used now. It
// is shared and must not be modified.
func (s *Source) usable() (*tokenv1.Token, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.token, s.checkLocked(time.Now())
}

// checkLocked returns why the credential cannot be used now, if so.
func (s *Source) checkLocked(now time.Time) error {
	var err error
	switch {
	case s.ended != nil:
		return s.ended
	case s.token == nil:
		err = ErrNotReceived
	case s.token.GetState() != tokenv1.Token_AUTHORIZED:
		err = stateError(s.token)
	case s.lifeLeft(s.token, now) <= 0:
		err = fmt.Errorf("%w at %s", ErrExpired, s.token.GetExpireTime().AsTime().Format(time.RFC3339))
	default:
		return nil
	}
	if !s.health.connected && s.health.lastError != nil {
		return fmt.Errorf("tokensource: %s: %w; its stream is down: %w", s.name, err, s.health.lastError)
	}
	return fmt.Errorf("tokensource: %s: %w", s.name, err)
}

// forever is the life of a credential that does not expire.
const forever = time.Duration(1<<63 - 1)

// lifeLeft returns for how long the token may still be used.
func (s *Source) lifeLeft(token *tokenv1.Token, now time.Time) time.Duration {
	if token.GetExpireTime() == nil {
		return forever
	}
	return token.GetExpireTime().AsTime().Sub(now) - s.opts.skew
}

// Updated returns a channel that is closed with the next change of the token's
// state, and when the watch ends. Take it before reading the state, and anew
// for each wait.
func (s *Source) Updated() <-chan struct{} {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.updated
}

// WaitUpdated waits for the next change of the token's state.
//
// Errors: ctx's; [ErrClosed]; the gRPC status that ended the watch.
func (s *Source) WaitUpdated(ctx context.Context) error {
	s.mu.RLock()
	updated, ended := s.updated, s.ended
	s.mu.RUnlock()
	if ended != nil {
		return ended
	}
	select {
	case <-updated:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ended
}

// Err returns the error that ended the watch for good; nil while it runs, and
// when it was ended by Close.
func (s *Source) Err() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if errors.Is(s.ended, ErrClosed) {
		return nil
	}
	return s.ended
}

// Close ends the watch and waits for the source's goroutines. It may be called
// more than once and returns nil.
func (s *Source) Close() error {
	s.stop()
	return nil
}

func (s *Source) stop() {
	s.cancel()
	s.rejections.close()
	s.goroutines.Wait()
}

// String names the token and shows nothing of it.
func (s *Source) String() string { return "tokensource.Source(" + s.name + ")" }

// GoString is String, so that %#v shows no secret either.
func (s *Source) GoString() string { return s.String() }

// LogValue is String, so that no logger shows a secret either.
func (s *Source) LogValue() slog.Value { return slog.StringValue(s.String()) }

// setLocked makes token the newest state.
func (s *Source) setLocked(token *tokenv1.Token) {
	s.token = token
	s.oauth = oauthToken(token)
	s.notifyLocked()
}

func (s *Source) notifyLocked() {
	close(s.updated)
	s.updated = make(chan struct{})
}

// oauthToken returns token as x/oauth2 has it, nil for a static credential.
func oauthToken(token *tokenv1.Token) *oauth2.Token {
	if token.GetAccessToken() == "" {
		return nil
	}
	t := &oauth2.Token{AccessToken: token.GetAccessToken(), TokenType: token.GetTokenType()}
	if token.GetExpireTime() != nil {
		t.Expiry = token.GetExpireTime().AsTime()
	}
	return t.WithExtra(map[string]any{
		"scope":       strings.Join(token.GetScopes(), " "),
		"generation":  token.GetGeneration(),
		"fingerprint": token.GetFingerprint(),
	})
}
