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
		AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.project = $1 AND d.event_id = $2)`
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
		var total delivery.Trimmed
		before, err := s.eventsUntil(ctx, tx, project, ended)
		if err != nil {
			return total, err
		}
		for _, event := range events {
			locked, err := collect(ctx, tx, scanText, lockEvent+s.db.ForUpdateSkipLocked(), project, event)
			if err != nil {
				return total, err
			}
			if len(locked) == 0 {
				continue
			}
			gone, err := collect(ctx, tx, scanPair, trimDeliveries, project, event, micros(ended), micros(dead))
			if err != nil {
				return total, err
			}
			for _, d := range gone {
				if _, err := tx.ExecContext(ctx, trimAttempts, project, d[1]); err != nil {
					return total, err
				}
			}
			n, err := affected(ctx, tx, trimEvent, project, event, before)
			if err != nil {
				return total, err
			}
			total.Deliveries += len(gone)
			total.Events += n
		}
		return total, nil
	})
}

// eventsUntil returns the id before which events may be removed: that of a time, unless the journal still has deliveries of events that
// old, which is so only where an instance died with them and nobody has come to them since.
func (s *Store) eventsUntil(ctx context.Context, tx sqldb.Tx, project string, ended time.Time) (string, error) {
	before := idAt(ended)
	oldest, err := collect(ctx, tx, scanText, oldestPage, project)
	if err != nil || len(oldest) == 0 || len(oldest[0]) < timeLength {
		return before, err
	}
	// A page's id is of the same millisecond as those of its events, or later.
	return min(before, oldest[0][:timeLength]), nil
}

// timeLength is the number of characters of an id that are its time.
const timeLength = 10
