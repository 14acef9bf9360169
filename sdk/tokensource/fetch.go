package tokensource

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/oauth2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

// maxTTL is the bound of GetTokenRequest.min_ttl.
const maxTTL = 24 * time.Hour

// TokenContext returns an access token that is valid for at least minTTL, 0 to
// 24 h: from memory if it can, else by GetToken, which makes the token service
// obtain the next generation. Of more than half the token's lifetime only half
// is asked. It waits and tries again until ctx ends.
//
// Errors: as [Source.Token], ctx's, and those statuses of GetToken that waiting
// does not change: FAILED_PRECONDITION (somebody must repair something, see
// [WithWaitForRepair]), UNAUTHENTICATED, PERMISSION_DENIED, NOT_FOUND.
func (s *Source) TokenContext(ctx context.Context, minTTL time.Duration) (*oauth2.Token, error) {
	if minTTL < 0 || minTTL > maxTTL {
		return nil, fmt.Errorf("tokensource: minTTL: want 0 to %s, got %s", maxTTL, minTTL)
	}
	token, err := s.atLeast(ctx, minTTL)
	if err != nil {
		return nil, err
	}
	if t := oauthToken(token); t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("tokensource: %s: %w", s.name, ErrNoAccessToken)
}

// atLeast returns a usable token with minTTL left.
func (s *Source) atLeast(ctx context.Context, minTTL time.Duration) (*tokenv1.Token, error) {
	ctx, stop := s.bounded(ctx)
	defer stop()
	var delays backoff
	for {
		updated := s.Updated()
		token, err := s.usable()
		if err == nil && s.lasts(token, minTTL) {
			return token, nil
		}
		if err != nil && s.final(err) {
			return nil, err
		}
		if token, err = s.fetch(ctx, minTTL); err == nil {
			return token, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w: %w", err, context.Cause(ctx))
		}
		if s.settled(err) {
			return nil, err
		}
		select {
		case <-updated:
		case <-time.After(delays.next(maxBackoff)):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", err, context.Cause(ctx))
		}
	}
}

// forRequest returns the token to send a request with: from memory, or, if it is
// one that is refreshed only when somebody asks and has expired, by asking. While
// the token service asks to hold requests, it waits.
func (s *Source) forRequest(ctx context.Context) (*tokenv1.Token, error) {
	if err := s.held(ctx); err != nil {
		return nil, err
	}
	token, err := s.usable()
	if err == nil || s.final(err) || !onDemand(token) {
		return token, err
	}
	return s.atLeast(ctx, 0)
}

// maxHold bounds how long a request waits for a token that is being replaced.
const maxHold = 5 * time.Second

// held returns when a request may begin with the token at hand: at once, or after
// the refresh that ends it, at the latest when the token service said.
func (s *Source) held(ctx context.Context) error {
	var timeout <-chan time.Time
	for {
		updated := s.Updated()
		token, err := s.usable()
		if err != nil || token.GetHoldUntil() == nil {
			return nil
		}
		wait := min(time.Until(token.GetHoldUntil().AsTime()), maxHold)
		if wait <= 0 {
			return nil
		}
		if timeout == nil {
			timer := time.NewTimer(wait)
			defer timer.Stop()
			timeout = timer.C
		}
		select {
		case <-updated:
		case <-timeout:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("tokensource: %s: %w", s.name, context.Cause(ctx))
		}
	}
}

// onDemand reports whether the token's successor is obtained when somebody asks
// for it: no refresh is planned ahead of its expiry.
func onDemand(token *tokenv1.Token) bool {
	switch token.GetState() {
	case tokenv1.Token_AUTHORIZED:
		next, expire := token.GetNextRefreshTime(), token.GetExpireTime()
		return expire != nil && (next == nil || next.AsTime().After(expire.AsTime()))
	case tokenv1.Token_AUTHORIZING:
		return token.GetStateReason() == errorsv1.Reason_TOKEN_EXPIRED
	default:
		return false
	}
}

// bounded returns a context that ends with ctx and with the source, whichever
// is first.
func (s *Source) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.ctx, func() { cancel(ErrClosed) })
	if s.ctx.Err() != nil { // AfterFunc takes a moment
		cancel(ErrClosed)
	}
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// lasts reports whether a usable token is good enough for minTTL, by the rule of
// GetTokenRequest.min_ttl.
func (s *Source) lasts(token *tokenv1.Token, minTTL time.Duration) bool {
	if token.GetExpireTime() != nil && token.GetIssueTime() != nil {
		life := token.GetExpireTime().AsTime().Sub(token.GetIssueTime().AsTime())
		minTTL = min(minTTL, life/2)
	}
	return s.lifeLeft(token, time.Now()) >= minTTL
}

// fetch asks the token service for a token.
func (s *Source) fetch(ctx context.Context, minTTL time.Duration) (*tokenv1.Token, error) {
	answer, err := s.client.GetToken(ctx, &tokenv1.GetTokenRequest{
		Name:   s.name,
		MinTtl: durationpb.New(min(minTTL+s.opts.skew, maxTTL)),
	})
	if err != nil {
		return nil, fmt.Errorf("tokensource: %s: GetToken: %w", s.name, err)
	}
	token := answer.GetToken()
	if s.lifeLeft(token, time.Now()) <= 0 {
		return nil, fmt.Errorf("tokensource: %s: GetToken: %w by the local clock", s.name, ErrExpired)
	}
	s.adopt(token)
	return token, nil
}

// settled reports whether asking again would be answered the same.
func (s *Source) settled(err error) bool {
	switch status.Code(err) {
	case codes.FailedPrecondition:
		return !s.opts.waitForRepair
	case codes.NotFound, codes.PermissionDenied, codes.Unauthenticated, codes.InvalidArgument, codes.Unimplemented:
		return true
	default:
		return false
	}
}
