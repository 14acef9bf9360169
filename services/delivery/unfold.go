package delivery

import (
	"context"
	"time"
)

// unfoldAfter is how long a delivery may do without a row of its own. Those that end sooner cost one write; longer ones cost a second,
// and are in lists of other instances from then on.
const unfoldAfter = 200 * time.Millisecond

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
			timer.Reset(unfoldAfter / 2)
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			var err error
			if left, err = s.store.Unfold(ctx, s.now().Add(-unfoldAfter)); err != nil {
				if ctx.Err() == nil {
					s.logger.WarnContext(ctx, "deliveries cannot be unfolded yet", "error", err)
				}
				left = 1
			}
		}
	}
}
