package token

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/freshet-io/freshet/services/internal/seal"
)

// Revocation is a token that is to be revoked (RFC 7009). It is stored with the change that makes it necessary.
type Revocation struct {
	Key Key
	ID  string // ULID
	// ConnectionUID is of the connection whose settings the request is made with.
	ConnectionUID string
	// Server names the server and the client that the token belongs to; empty, of a grant that ended: those of its connection.
	Server string
	// Hint is the token type hint of RFC 7009 section 2.1.
	Hint string
	// Generation that the token was.
	Generation int64
	Token      seal.Secret
	// DueTime is when it is made at the latest; whoever makes it, or waits to, puts it off first.
	DueTime time.Time
	// ExpireTime is when the token expires, after which there is nothing to revoke.
	ExpireTime time.Time
	// Attempts that failed.
	Attempts int
}

// Revocations keeps what is to be revoked. Implementations pass storetest.RunRevocations.
type Revocations interface {
	// ClaimRevocations returns up to limit revocations that are due, the earliest first, and puts them off to until, so that nobody else makes
	// them. Those whose token does not open with the present master key are left out, and removed.
	ClaimRevocations(ctx context.Context, now, until time.Time, limit int) ([]Revocation, error)
	// NextRevocation is when the next is due; zero if there is none.
	NextRevocation(ctx context.Context) (time.Time, error)
	// PostponeRevocation stores another due time, and the number of attempts. One that is gone stays so.
	PostponeRevocation(ctx context.Context, r *Revocation, due time.Time) error
	// RemoveRevocation removes one. One that is gone is no error.
	RemoveRevocation(ctx context.Context, r *Revocation) error
}

const (
	// revocationClaim is how long a process has to make the revocations it has claimed.
	revocationClaim = 2 * time.Minute
	// revocationPage is how many are claimed at a time.
	revocationPage = 16
	// revocationLook bounds how late those are found that another replica left behind.
	revocationLook = time.Minute
	// firstRevocationRetry doubles up to lastRevocationRetry.
	firstRevocationRetry = 30 * time.Second
	lastRevocationRetry  = time.Hour
	// maxRefusals is how often a server is asked that will have none of it.
	maxRefusals = 5
)

// What became of a revocation, as a metric attribute.
const (
	revocationDone    = "revoked"
	revocationExpired = "expired"
	revocationGivenUp = "given_up"
	revocationFailed  = "failed"
)

// revocationLoop makes the revocations whose process died, and those that failed before.
func (s *Service) revocationLoop(ctx context.Context) error {
	for {
		wait := revocationLook
		claimed, err := s.p.Revocations.ClaimRevocations(ctx, s.p.Now(), s.p.Now().Add(revocationClaim), revocationPage)
		if err == nil {
			for i := range claimed {
				s.revoke(ctx, &claimed[i])
			}
			wait, err = s.untilNextRevocation(ctx)
		}
		if err != nil {
			s.logUnless(ctx, err, "revocations not read, will be tried again")
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-s.revoking:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// untilNextRevocation is how long the loop can sleep. Where no other process writes, nothing becomes due of which it is not told.
func (s *Service) untilNextRevocation(ctx context.Context) (time.Duration, error) {
	due, err := s.p.Revocations.NextRevocation(ctx)
	switch {
	case err != nil:
		return revocationLook, err
	case due.IsZero() && s.p.Store.Exclusive():
		return 24 * time.Hour, nil
	case due.IsZero():
		return revocationLook, nil
	case s.p.Store.Exclusive():
		return max(due.Sub(s.p.Now()), time.Second), nil
	default:
		return min(max(due.Sub(s.p.Now()), time.Second), revocationLook), nil
	}
}

// revocationStored has the loop look when the next is due.
func (s *Service) revocationStored() {
	select {
	case s.revoking <- struct{}{}:
	default:
	}
}

// revoke makes a revocation, and removes it or puts it off.
func (s *Service) revoke(ctx context.Context, revocation *Revocation) {
	if !s.p.Now().Before(revocation.ExpireTime) {
		s.dropRevocation(ctx, revocation, revocationExpired)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.p.RequestTimeout+settingsTimeout)
	defer cancel()
	err := s.tryRevoke(ctx, revocation)
	failure, _ := errors.AsType[*Failure](err)
	switch {
	case err == nil:
		s.p.Logger.InfoContext(ctx, "token revoked", "token", revocation.Key.Name(), "generation", revocation.Generation)
		s.dropRevocation(ctx, revocation, revocationDone)
	case errors.Is(err, errNoLongerOurs), failure != nil && failure.Class.EndsAttempts() && revocation.Attempts+1 >= maxRefusals:
		s.p.Logger.WarnContext(ctx, "token not revoked; it stays valid until it expires", "token", revocation.Key.Name(),
			"generation", revocation.Generation, "expires", revocation.ExpireTime, "error", err)
		s.dropRevocation(ctx, revocation, revocationGivenUp)
	default:
		s.postponeRevocation(ctx, revocation, err)
	}
}

// errNoLongerOurs means that the settings at hand are not those of the server and client that the token belongs to.
var errNoLongerOurs = errors.New("token: the connection belongs to another server or client now, or has no revocation endpoint")

func (s *Service) tryRevoke(ctx context.Context, revocation *Revocation) error {
	settings, err := s.p.Settings.AuthorizationSettings(ctx, revocation.Key.ConnectionName())
	if failure, ok := errors.AsType[*Failure](err); ok && failure.Reason == ReasonConnectionNotFound {
		return errNoLongerOurs
	}
	if err != nil {
		return err
	}
	if !revocation.belongs(&settings) || settings.OAuth2.Provider.RevocationEndpoint == "" {
		return errNoLongerOurs
	}
	ctx, cancel := context.WithTimeout(ctx, s.p.RequestTimeout)
	defer cancel()
	return s.p.Exchanger.Revoke(ctx, settings.OAuth2, revocation.Token, revocation.Hint)
}

// belongs reports whether the token may be shown to the server and client of the settings, which are those of its connection.
func (r *Revocation) belongs(settings *Settings) bool {
	if r.Key.Grant == "" && settings.ConnectionUID != r.ConnectionUID {
		return false
	}
	return r.Server == "" || settings.OAuth2.server() == r.Server
}

// postponeRevocation puts off what failed. A process that stops leaves its own as they are: the next makes them when they are due.
func (s *Service) postponeRevocation(ctx context.Context, revocation *Revocation, err error) {
	if s.life.Err() != nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	wait := min(firstRevocationRetry<<min(revocation.Attempts, 16), lastRevocationRetry)
	wait += time.Duration(s.p.Random() * float64(wait/4))
	if failure, ok := errors.AsType[*Failure](err); ok {
		wait = max(wait, min(failure.RetryAfter, maxRetryAfter))
	}
	revocation.Attempts++
	s.meters.revoked(ctx, revocationFailed)
	s.p.Logger.WarnContext(ctx, "token not revoked yet, will be tried again", "token", revocation.Key.Name(),
		"generation", revocation.Generation, "in", wait, "error", err)
	if err := s.p.Revocations.PostponeRevocation(ctx, revocation, s.p.Now().Add(wait)); err != nil {
		s.logUnless(ctx, err, "revocation not put off")
	}
	s.revocationStored()
}

func (s *Service) dropRevocation(ctx context.Context, revocation *Revocation, outcome string) {
	ctx = context.WithoutCancel(ctx)
	s.meters.revoked(ctx, outcome)
	if err := s.p.Revocations.RemoveRevocation(ctx, revocation); err != nil {
		s.logUnless(ctx, err, "revocation not removed") // made once more, which does no harm
	}
}

// revoked accounts for an attempt to revoke.
func (m *meters) revoked(ctx context.Context, outcome string) {
	m.revocations.Add(ctx, 1, metric.WithAttributes(attribute.String("outcome", outcome)))
}
