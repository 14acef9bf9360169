package store

import (
	"context"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// nextProject finds one project after the other in the index, without reading what each has.
const nextProject = `SELECT project FROM events WHERE project > $1 ORDER BY project LIMIT 1`

// oldEvents reads events of all buses of a project: there is no index by bus, which every event would have to be written into.
const oldEvents = `SELECT event_id, bus_id FROM events WHERE project = $1 AND event_id > $2 AND event_id < $3 ORDER BY event_id LIMIT $4`

// Statements of Trim. A delivery that is redriven at the same time has another state once its row is ours, and stays.
const (
	trimDeliveries = `DELETE FROM deliveries WHERE project = $1 AND event_id = $2
		AND (state IN (3, 5) AND end_time <= $3 OR state = 4 AND end_time <= $4) RETURNING project, delivery_id`
	trimAttempts = `DELETE FROM attempts WHERE project = $1 AND delivery_id = $2`
	// An event that a replay is giving deliveries at this moment is locked, and left for a later round.
	lockEvent = `SELECT event_id FROM events WHERE project = $1 AND event_id = $2 `
	trimEvent = `DELETE FROM events WHERE project = $1 AND event_id = $2 AND event_id < $3
		AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.project = $1 AND d.event_id = $2)
		RETURNING bus_id, ingestion_time / 86400000000, ` + eventBytes
)

// oldestPage finds the oldest page of a project's journal.
const oldestPage = `SELECT journal_id FROM journal WHERE project = $1 ORDER BY journal_id LIMIT 1`

// Projects implements delivery.History.
func (s *Store) Projects(ctx context.Context, after string, limit int) ([]string, error) {
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]string, error) {
		var projects []string
		for len(projects) < limit {
			next, err := collect(ctx, tx, scanText, nextProject, after)
			if err != nil || len(next) == 0 {
				return projects, err
			}
			after = next[0]
			projects = append(projects, after)
		}
		return projects, nil
	})
}

// Retentions implements delivery.History.
func (s *Store) Retentions(ctx context.Context, project string) (map[string]delivery.Retention, error) {
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) (map[string]delivery.Retention, error) {
		buses, err := collect(ctx, tx, scanBus, `SELECT `+busColumns+` FROM buses WHERE project = $1`, project)
		own := map[string]delivery.Retention{}
		for _, b := range buses {
			if b.Settings.Retention != (delivery.Retention{}) {
				own[b.Name.Bus] = b.Settings.Retention
			}
		}
		return own, err
	})
}

// OldEvents implements delivery.History.
func (s *Store) OldEvents(
	ctx context.Context, scope delivery.HistoryScope, after, before string, limit int,
) (ids []string, last string, err error) {
	but := "\n" + strings.Join(scope.But, "\n") + "\n"
	rows, err := reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([][2]string, error) {
		return collect(ctx, tx, scanPair, oldEvents, scope.Project, after, before, limit)
	})
	for _, row := range rows {
		last = row[0]
		if row[1] == scope.Bus || scope.Bus == "" && !strings.Contains(but, "\n"+row[1]+"\n") {
			ids = append(ids, row[0])
		}
	}
	return ids, last, err
}

// Trim implements delivery.History.
func (s *Store) Trim(ctx context.Context, project string, events []string, ended, dead time.Time) (delivery.Trimmed, error) {
	return writing(ctx, s, func(ctx context.Context, tx sqldb.Tx) (delivery.Trimmed, error) {
		t, err := s.newTrimming(ctx, tx, project, ended, dead)
		if err != nil {
			return delivery.Trimmed{}, err
		}
		for _, event := range events {
			if err := t.event(ctx, tx, event); err != nil {
				return delivery.Trimmed{}, err
			}
		}
		return t.total, t.sums.apply(ctx, tx, project)
	})
}

// trimming removes history of a project within a transaction.
type trimming struct {
	project     string
	ended, dead int64  // as in Trim
	before      string // no event from this id on
	lock        string // of an event, or nothing
	total       delivery.Trimmed
	sums        amounts // what is to be taken from the sizes
}

func (s *Store) newTrimming(ctx context.Context, tx sqldb.Tx, project string, ended, dead time.Time) (*trimming, error) {
	before, err := s.eventsUntil(ctx, tx, project, ended)
	return &trimming{
		project: project, ended: micros(ended), dead: micros(dead), before: before, lock: lockEvent + s.db.ForUpdateSkipLocked(),
		sums: amounts{},
	}, err
}

// event removes what may go of an event, and the event itself if nothing is left of it.
func (t *trimming) event(ctx context.Context, tx sqldb.Tx, event string) error {
	locked, err := collect(ctx, tx, scanText, t.lock, t.project, event)
	if err != nil || len(locked) == 0 {
		return err
	}
	gone, err := collect(ctx, tx, scanPair, trimDeliveries, t.project, event, t.ended, t.dead)
	if err != nil {
		return err
	}
	for _, d := range gone {
		if _, err := tx.ExecContext(ctx, trimAttempts, t.project, d[1]); err != nil {
			return err
		}
	}
	scan := func(row scanner) (k busDay, err error) {
		var bytes int64
		if err = row.Scan(&k.bus, &k.day, &bytes); err == nil {
			t.total.Bytes += bytes
			t.sums.add(k, amount{-1, -bytes})
		}
		return k, err
	}
	removed, err := collect(ctx, tx, scan, trimEvent, t.project, event, t.before)
	t.total.Events += len(removed)
	t.total.Deliveries += len(gone)
	return err
}

// eventsUntil returns the id before which events may be removed: that of a time, unless it is of events that are not measured yet, or the
// journal still has deliveries of events that old, which is so only where an instance died with them and nobody has come to them since.
func (s *Store) eventsUntil(ctx context.Context, tx sqldb.Tx, project string, ended time.Time) (string, error) {
	last, _, err := measured(ctx, tx, project, "")
	if err != nil {
		return "", err
	}
	before := min(idAt(ended), last+"0") // the least text after it
	oldest, err := collect(ctx, tx, scanText, oldestPage, project)
	if err != nil || len(oldest) == 0 || len(oldest[0]) < timeLength {
		return before, err
	}
	// A page's id is of the same millisecond as those of its events, or later.
	return min(before, oldest[0][:timeLength]), nil
}

// timeLength is the number of characters of an id that are its time.
const timeLength = 10
