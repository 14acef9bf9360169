package delivery

import (
	"context"
	"time"
)

// How long a delivery may do without a row of its own. Those that end sooner cost one write; longer ones cost a second. Other instances
// have them in their lists from then on, so it is short where there are others.
const (
	unfoldAfter       = 200 * time.Millisecond
	unfoldAfterAlone  = 5 * time.Second
	looksBeforeUnfold = 4
)

func (s *Service) unfoldAfter() time.Duration {
	if s.shared.Load() {
		return unfoldAfter
	}
	return unfoldAfterAlone
}

// accepted tells unfold that there is something in the journal.
func (s *Service) accepted() {
	select {
	case s.journaled <- struct{}{}:
	default:
	}
}

// unfold gives deliveries rows that have not ended for a while.
func (s *Service) unfold(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.journaled:
		}
		for left := 1; left > 0; {
			timer.Reset(s.unfoldAfter() / looksBeforeUnfold)
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			var err error
			if left, err = s.store.Unfold(ctx, s.now().Add(-s.unfoldAfter())); err != nil {
				if ctx.Err() == nil {
					s.logger.WarnContext(ctx, "deliveries cannot be unfolded yet", "error", err)
				}
				left = 1
			}
		}
	}
}
