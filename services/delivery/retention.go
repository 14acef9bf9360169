package delivery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// Forever as an age of a Retention keeps for ever.
const Forever time.Duration = -1

const (
	// minRetention bounds how short history may be kept: it must be there to be looked at.
	minRetention = time.Minute
	// trimEvents is the number of events that one transaction removes at most.
	trimEvents = 100
	// trimPause lets others have the store between two transactions.
	trimPause = 5 * time.Millisecond
	// minRound and maxRound bound how long a round of a walk takes, a quarter of the age in between.
	minRound = 10 * time.Minute
	maxRound = 24 * time.Hour
)

// Retention says how long the history of a bus is kept: its events, their deliveries and attempts. What has not ended is always kept.
type Retention struct {
	// MaxAge is that of events and of deliveries that SUCCEEDED or were CANCELLED, counted from the acceptance of the one and the end of
	// the other.
	MaxAge time.Duration // 0: the default of the service; Forever
	// DeadLetterAge is that of DEAD deliveries, counted from their end; their events are kept as long.
	DeadLetterAge time.Duration // 0: the default of the service; Forever
	// MaxBytes bounds what the events of the bus are together: beyond it, the oldest go first, unless they have a delivery that has not ended
	// or is dead and not as old as DeadLetterAge.
	MaxBytes int64 // 0: no bound
}

// or fills in what is not said.
func (r Retention) or(standard Retention) Retention {
	if r.MaxAge == 0 {
		r.MaxAge = standard.MaxAge
	}
	if r.DeadLetterAge == 0 {
		r.DeadLetterAge = standard.DeadLetterAge
	}
	return r
}

// checkBus checks a bus; an InvalidError.
func checkBus(b *Bus) error {
	for field, age := range map[string]time.Duration{
		"bus.retention.max_age": b.Settings.Retention.MaxAge, "bus.retention.dead_letter_max_age": b.Settings.Retention.DeadLetterAge,
	} {
		if age > 0 && age < minRetention {
			return invalid(KindField, field, fmt.Sprintf("must be 0, which is for ever, or at least %s", minRetention))
		}
	}
	if n := b.Settings.Retention.MaxBytes; n != 0 && n < minBytes {
		return invalid(KindField, "bus.retention.max_bytes", fmt.Sprintf("must be 0, which is no bound, or at least %d", minBytes))
	}
	return nil
}

// History is what retention works on.
type History interface {
	// Projects returns projects that have events, by name, those after the given one.
	Projects(ctx context.Context, after string, limit int) ([]string, error)
	// Retentions returns the buses of a project that have a retention of their own.
	Retentions(ctx context.Context, project string) (map[string]Retention, error)
	// OldEvents returns events of one bus, or, if bus is empty, of all but some, in the order of their ids: those after one id and
	// before another, up to limit of all that it looks at. last is the last one that it looked at; empty if there was none.
	OldEvents(ctx context.Context, scope HistoryScope, after, before string, limit int) (ids []string, last string, err error)
	// Trim removes, of events that were measured, those deliveries of the events that had ended by then, or were dead by then, with their attempts; and those of the
	// events that were accepted before ended and have no delivery left. A zero time removes none. It returns how many it removed.
	Trim(ctx context.Context, project string, events []string, ended, dead time.Time) (Trimmed, error)
}

// HistoryScope is one bus of a project, or all but some.
type HistoryScope struct {
	Project string
	Bus     string
	But     []string
}

// Trimmed counts what was removed.
type Trimmed struct {
	Events, Deliveries int
	Bytes              int64 // of the events
}

// walk goes through the history of a scope and visits every event when it comes of an age. What has to stay then, because it has not ended
// or is dead, is visited again by later rounds.
type walk struct {
	last  string // the last event that was visited
	since time.Time
}

// walks are in memory only: after a restart they begin anew, at what is left.
type walks struct {
	mu sync.Mutex
	at map[HistoryWalk]walk
}

// HistoryWalk names a walk: one bus of a project, or, if bus is empty, all that have no retention of their own.
type HistoryWalk struct {
	Project, Bus string
	Size         bool // it looks for what may go because the bus is too large
}

// get returns how far a walk has come. A round that began too long ago is over.
func (w *walks) get(k HistoryWalk, now time.Time, round time.Duration) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, ok := w.at[k]
	if !ok || now.Sub(at.since) >= round {
		at = walk{since: now}
		w.at[k] = at
	}
	return at.last
}

func (w *walks) set(k HistoryWalk, last string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := w.at[k]
	at.last = last
	w.at[k] = at
}

// trimHistory removes what is older than its bus says, in small transactions.
func (s *Service) trimHistory(ctx context.Context) error {
	total := int64(0)
	for after := ""; ; {
		projects, err := s.store.Projects(ctx, after, batch)
		if err != nil {
			return err
		}
		if len(projects) == 0 {
			s.historyBytes.Store(total)
			return nil
		}
		for _, project := range projects {
			if err := s.trimProject(ctx, project); err != nil {
				return err
			}
			size, err := s.store.HistorySize(ctx, project)
			if err != nil {
				return err
			}
			total += size
		}
		after = projects[len(projects)-1]
	}
}

func (s *Service) trimProject(ctx context.Context, project string) error {
	if err := s.measure(ctx, project); err != nil {
		return err
	}
	own, err := s.store.Retentions(ctx, project)
	if err != nil {
		return err
	}
	buses := slices.Sorted(maps.Keys(own))
	if err := s.trimScope(ctx, HistoryScope{Project: project, But: buses}, s.retention); err != nil {
		return err
	}
	for _, bus := range buses {
		r := own[bus].or(s.retention)
		if err := s.trimScope(ctx, HistoryScope{Project: project, Bus: bus}, r); err != nil {
			return err
		}
		if err := s.shed(ctx, BusName{project, bus}, r); err != nil {
			return err
		}
	}
	return nil
}

// trimScope visits the events that have come of age.
func (s *Service) trimScope(ctx context.Context, scope HistoryScope, r Retention) error {
	age := r.least()
	if age <= 0 {
		return nil
	}
	now := s.stamp()
	before := leastID(now.Add(-age))
	k := HistoryWalk{Project: scope.Project, Bus: scope.Bus}
	at := s.walks.get(k, now, min(max(age/4, minRound), maxRound))
	for {
		ids, last, err := s.store.OldEvents(ctx, scope, at, before, batch)
		if err != nil || last == "" {
			return err
		}
		for chunk := range slices.Chunk(ids, trimEvents) {
			n, err := s.store.Trim(ctx, scope.Project, chunk, cut(now, r.MaxAge), cut(now, r.DeadLetterAge))
			if err != nil {
				return err
			}
			s.metrics.trimmed(ctx, "age", n)
			if err := rest(ctx); err != nil {
				return err
			}
		}
		at = last
		s.walks.set(k, at)
	}
}

// least is the lesser of the two ages; not positive: both are for ever.
func (r Retention) least() time.Duration {
	switch {
	case r.MaxAge <= 0:
		return r.DeadLetterAge
	case r.DeadLetterAge <= 0:
		return r.MaxAge
	}
	return min(r.MaxAge, r.DeadLetterAge)
}

// cut returns the time before which what is older than an age lies; zero if the age is for ever.
func cut(now time.Time, age time.Duration) time.Time {
	if age <= 0 {
		return time.Time{}
	}
	return now.Add(-age)
}

// leastID returns the least id of a time's millisecond.
func leastID(t time.Time) string {
	var id ulid.ULID
	if ms := t.UnixMilli(); ms > 0 {
		_ = id.SetTime(uint64(ms))
	}
	return id.String()
}
