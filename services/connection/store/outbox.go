package store

import (
	"context"
	"time"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

const insertStateEvent = `
INSERT INTO state_events (project, event_id, connection_id, uid, state, previous_state, reason, message, time, claim_owner, claim_until,
  kind, grant_expire_time, grant_id, end_user)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, '', 0, $10, $11, $12, $13)`

func insertEvent(ctx context.Context, tx sqldb.Tx, e *connection.StateEvent) error {
	if e == nil {
		return nil
	}
	_, err := tx.ExecContext(ctx, insertStateEvent, e.Connection.Project, e.ID, e.Connection.ID, e.UID, string(e.State), string(e.Previous),
		string(e.Reason), e.Message, sqldb.Micros(e.Time), string(e.Kind), sqldb.Micros(e.GrantExpireTime), e.Grant, e.EndUser)
	return err
}

// The events of projects of which no other owner holds any.
const selectClaimable = `
SELECT project, event_id, connection_id, uid, state, previous_state, reason, message, time, kind, grant_expire_time, grant_id, end_user
FROM state_events e
WHERE NOT EXISTS (SELECT 1 FROM state_events o WHERE o.project = e.project AND o.claim_owner <> $1 AND o.claim_until > $2)
ORDER BY time, event_id LIMIT $3`

const claimEvent = `
UPDATE state_events SET claim_owner = $3, claim_until = $4
WHERE project = $1 AND event_id = $2 AND (claim_owner = $3 OR claim_until <= $5)`

// ClaimEvents implements connection.Outbox.
func (s *Store) ClaimEvents(
	ctx context.Context, owner string, now, until time.Time, limit int,
) (claimed []connection.StateEvent, err error) {
	if waiting, err := s.claimable(ctx, owner, now); err != nil || !waiting {
		return nil, err // without a write, which most calls do not need
	}
	err = s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		claimed = nil
		events, err := selectEvents(ctx, tx, owner, now, limit)
		if err != nil {
			return err
		}
		// Two replicas may have read the same events. The first of a project goes to the one that updates it first; the other waits
		// for that, updates nothing, and leaves the project alone.
		lost := make(map[string]bool)
		for _, e := range events {
			if lost[e.Connection.Project] {
				continue
			}
			won, err := affected(tx.ExecContext(ctx, claimEvent, e.Connection.Project, e.ID, owner, sqldb.Micros(until), sqldb.Micros(now)))
			if err != nil {
				return err
			}
			if !won {
				lost[e.Connection.Project] = true
				continue
			}
			claimed = append(claimed, e)
		}
		return nil
	})
	return claimed, err
}

func (s *Store) claimable(ctx context.Context, owner string, now time.Time) (waiting bool, err error) {
	err = s.read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		events, err := selectEvents(ctx, tx, owner, now, 1)
		waiting = len(events) > 0
		return err
	})
	return waiting, err
}

func selectEvents(ctx context.Context, tx sqldb.Tx, owner string, now time.Time, limit int) ([]connection.StateEvent, error) {
	rows, err := tx.QueryContext(ctx, selectClaimable, owner, sqldb.Micros(now), limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err has it
	var events []connection.StateEvent
	for rows.Next() {
		var e connection.StateEvent
		var at, expire int64
		err := rows.Scan(&e.Connection.Project, &e.ID, &e.Connection.ID, &e.UID, &e.State, &e.Previous, &e.Reason, &e.Message, &at,
			&e.Kind, &expire, &e.Grant, &e.EndUser)
		if err != nil {
			return nil, err
		}
		e.Time, e.GrantExpireTime = sqldb.Time(at), sqldb.Time(expire)
		events = append(events, e)
	}
	return events, rows.Err()
}

const deleteEvent = `DELETE FROM state_events WHERE project = $1 AND event_id = $2`

// RemoveEvents implements connection.Outbox.
func (s *Store) RemoveEvents(ctx context.Context, events []connection.StateEvent) error {
	if len(events) == 0 {
		return nil
	}
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		for _, e := range events {
			if _, err := tx.ExecContext(ctx, deleteEvent, e.Connection.Project, e.ID); err != nil {
				return err
			}
		}
		return nil
	})
}
