package delivery

import (
	"context"
	"slices"
	"time"
)

const (
	// minBytes is the least MaxBytes of a Retention: one PutEvents fits.
	minBytes = MaxRequestBytes
	// measureAfter is how old events are when they are measured: by then, everything that got an id before is in the store or refused.
	measureAfter = 45 * time.Second
	// measureEvents is the number of events that are measured at once.
	measureEvents = 5000
)

// Sizes keeps how much the events of each bus are, without a write when one is accepted: they are measured a moment later, each once, before
// anything may remove them.
type Sizes interface {
	// Measure adds up to limit events of a project that were accepted before a time to the sizes of their buses, and returns how many.
	Measure(ctx context.Context, project string, before time.Time, limit int) (int, error)
	// HistorySize returns how much the events of a project are, in bytes.
	HistorySize(ctx context.Context, project string) (int64, error)
	// BusSize returns how much those of a bus are, and a time that none of them is older than.
	BusSize(ctx context.Context, bus BusName) (bytes int64, oldest time.Time, err error)
	// SettledEvents returns events of a bus without deliveries that have not ended or died after a time, in the order of their ids: those
	// after one id and before another, up to limit of all that it looks at. last is the last one that it looked at; empty if there was none.
	SettledEvents(ctx context.Context, bus BusName, after, before string, dead time.Time, limit int) (ids []string, last string, err error)
	// Shed removes events and what had ended of them by now, or died by dead, in their order, until the bus has no more than maxBytes. above:
	// it still has.
	Shed(ctx context.Context, bus BusName, events []string, maxBytes int64, now, dead time.Time) (removed Trimmed, above bool, err error)
}

// measure brings the sizes of a project's buses up to date.
func (s *Service) measure(ctx context.Context, project string) error {
	for {
		n, err := s.store.Measure(ctx, project, s.stamp().Add(-measureAfter), measureEvents)
		if err != nil || n < measureEvents {
			return err
		}
		if err := rest(ctx); err != nil {
			return err
		}
	}
}

// shed removes the oldest events of a bus that is too large. It goes on where it came to before; what had to stay is visited again by the next
// round.
func (s *Service) shed(ctx context.Context, bus BusName, r Retention) error {
	if r.MaxBytes == 0 {
		return nil
	}
	bytes, oldest, err := s.store.BusSize(ctx, bus)
	if err != nil || bytes <= r.MaxBytes {
		return err
	}
	now := s.stamp()
	dead := cut(now, r.DeadLetterAge)
	k := HistoryWalk{Project: bus.Project, Bus: bus.Bus, Size: true}
	at := max(s.walks.get(k, now, minRound), leastID(oldest))
	for {
		ids, last, err := s.store.SettledEvents(ctx, bus, at, leastID(now), dead, batch)
		if err != nil || last == "" {
			return err
		}
		for chunk := range slices.Chunk(ids, trimEvents) {
			n, above, err := s.store.Shed(ctx, bus, chunk, r.MaxBytes, now, dead)
			if err != nil {
				return err
			}
			s.metrics.trimmed(ctx, "size", n)
			if !above {
				return nil
			}
			s.walks.set(k, chunk[len(chunk)-1])
			if err := rest(ctx); err != nil {
				return err
			}
		}
		at = last
		s.walks.set(k, at)
	}
}

// rest lets others have the store between two transactions.
func rest(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(trimPause):
		return nil
	}
}
