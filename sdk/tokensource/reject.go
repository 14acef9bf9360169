package tokensource

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

const (
	// reportTimeout bounds one ReportRejected call.
	reportTimeout = 10 * time.Second
	// reportLife is for how long a report answers for all requests that used
	// the same credential.
	reportLife = 10 * time.Second
	// futileLife is for how long a credential is not reported that was refused
	// on the retry already: the API refuses for a reason that a new token does
	// not cure, and each report would cost a refresh.
	futileLife = time.Minute
)

// ReportRejected tells the token service that an API refused (401) the
// credential of this fingerprint, see [tokenv1.Token]. If it is still the
// current one, the next generation is obtained and arrives as any other.
// Needed only by applications that do not use [Source.RoundTripper].
//
// Errors: the gRPC status of the call; [ErrClosed].
func (s *Source) ReportRejected(ctx context.Context, fingerprint string) error {
	ctx, stop := s.bounded(ctx)
	defer stop()
	_, err := s.report(ctx, fingerprint)
	return err
}

// report calls ReportRejected.
func (s *Source) report(ctx context.Context, fingerprint string) (*tokenv1.ReportRejectedResponse, error) {
	answer, err := s.client.ReportRejected(ctx, &tokenv1.ReportRejectedRequest{Name: s.name, Fingerprint: fingerprint})
	if err != nil && errors.Is(context.Cause(ctx), ErrClosed) {
		return nil, ErrClosed
	}
	if err != nil {
		return nil, fmt.Errorf("tokensource: %s: ReportRejected: %w", s.name, err)
	}
	return answer, nil
}

// rejections lets all requests that met a 401 with one credential share one
// report.
type rejections struct {
	mu          sync.Mutex
	closed      bool
	last        *rejection
	futile      string // fingerprint that was refused on a retry
	futileUntil time.Time
}

// rejection is the report of one credential.
type rejection struct {
	fingerprint string
	until       time.Time     // for how long it answers
	done        chan struct{} // closed when answer and err are set
	answer      *tokenv1.ReportRejectedResponse
	err         error
}

// close lets no further report start, so that the source's goroutines can be
// waited for.
func (r *rejections) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// retriedInVain records that a credential was refused on a retry.
func (r *rejections) retriedInVain(fingerprint string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.futile, r.futileUntil = fingerprint, time.Now().Add(futileLife)
}

// rejected returns the report of a credential, and makes it if there is none.
// It returns nil where a report is of no use. The call outlives the request
// that caused it, since others wait for it too.
func (s *Source) rejected(fingerprint string) *rejection {
	r := &s.rejections
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.closed || fingerprint == "" || (r.futile == fingerprint && now.Before(r.futileUntil)) {
		return nil
	}
	if r.last != nil && r.last.fingerprint == fingerprint && now.Before(r.last.until) {
		return r.last
	}
	call := &rejection{fingerprint: fingerprint, until: now.Add(reportLife), done: make(chan struct{})}
	r.last = call
	s.goroutines.Go(func() {
		ctx, cancel := context.WithTimeout(s.ctx, reportTimeout)
		defer cancel()
		call.answer, call.err = s.report(ctx, fingerprint)
		if call.err != nil {
			s.opts.logger.WarnContext(s.ctx, "refused credential could not be reported", "token", s.name, "error", call.err)
			r.forget(call)
		}
		close(call.done)
	})
	return call
}

// forget lets the next 401 try again after a report that failed.
func (r *rejections) forget(call *rejection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == call {
		r.last = nil
	}
}

// replacement reports a refused credential and waits, within the rejection wait
// and ctx, for another one. It returns nil if there is none to be had.
func (s *Source) replacement(ctx context.Context, refused *tokenv1.Token) *tokenv1.Token {
	if next := s.other(refused); next != nil {
		return next
	}
	call := s.rejected(refused.GetFingerprint())
	if call == nil || s.opts.rejectionWait == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.rejectionWait)
	defer cancel()
	reported := call.done
	for {
		updated := s.Updated()
		if next := s.other(refused); next != nil {
			return next
		}
		if _, err := s.usable(); err != nil && s.final(err) {
			return nil
		}
		select {
		case <-reported:
			if !call.promises(refused) {
				return s.other(refused)
			}
			reported = nil
		case <-updated:
		case <-ctx.Done():
			return nil
		}
	}
}

// promises reports whether another credential can be expected after the report:
// a newer one exists, or the token service obtains one, which it cannot for
// static credentials.
func (c *rejection) promises(refused *tokenv1.Token) bool {
	if c.err != nil {
		return false
	}
	return !c.answer.GetCurrent() || refused.GetAccessToken() != ""
}

// other returns the usable credential if it is another than refused.
func (s *Source) other(refused *tokenv1.Token) *tokenv1.Token {
	token, err := s.usable()
	if err != nil || token.GetFingerprint() == refused.GetFingerprint() {
		return nil
	}
	return token
}
