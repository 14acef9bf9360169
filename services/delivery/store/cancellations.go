package store

import (
	"context"
	"strconv"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

func insertCancellation(ctx context.Context, tx sqldb.Tx, c delivery.Cancellation) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO cancellations (project, cancellation_id, bus_id, rule_id, target_id, destination_id)
		VALUES ($1, $2, $3, $4, $5, $6)`, c.Project, c.ID, c.Bus, c.Rule, c.Target, c.Destination)
	return err
}

// Cancellations implements delivery.Deliveries.
func (s *Store) Cancellations(ctx context.Context, limit int) ([]delivery.Cancellation, error) {
	scan := func(row scanner) (c delivery.Cancellation, err error) {
		err = row.Scan(&c.Project, &c.ID, &c.Bus, &c.Rule, &c.Target, &c.Destination)
		return c, err
	}
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]delivery.Cancellation, error) {
		return collect(ctx, tx, scan, `SELECT project, cancellation_id, bus_id, rule_id, target_id, destination_id FROM cancellations
			ORDER BY project, cancellation_id LIMIT $1`, limit)
	})
}

// Cancel implements delivery.Deliveries. A rule's history may be long, so it is read apart from the write that changes rows.
func (s *Store) Cancel(ctx context.Context, c delivery.Cancellation, after string, now time.Time, limit int) (string, bool, error) {
	if _, err := s.Unfold(ctx, endOfTime()); err != nil { // and remove the pages
		return after, false, err
	}
	made, err := timeOf(c.ID)
	if err != nil {
		return after, false, err
	}
	w := &conditions{}
	w.add(`state = 1`)
	w.add(`project = ? AND delivery_id > ? AND delivery_id <= ?`, c.Project, after, c.ID)
	// What was started anew since is not meant: this may be done again, when the record is kept, or was read by another instance before.
	w.add(`(redrives = 0 OR expire_time - max_age < ?)`, micros(made.Add(time.Millisecond)))
	if c.Destination != "" {
		w.add(`destination_id = ?`, c.Destination)
	} else {
		w.add(`bus_id = ? AND rule_id = ?`, c.Bus, c.Rule)
	}
	if c.Target != "" {
		w.add(`target_id = ?`, c.Target)
	}
	ids, err := reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]string, error) {
		return collect(ctx, tx, scanText, `SELECT delivery_id FROM deliveries`+w.text()+` ORDER BY delivery_id LIMIT `+strconv.Itoa(limit),
			w.args...)
	})
	if err != nil {
		return after, false, err
	}
	err = s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		for _, id := range ids {
			if _, err := tx.ExecContext(ctx, `UPDATE deliveries SET state = 5, owner = '', end_time = $1
				WHERE project = $2 AND delivery_id = $3 AND state = 1`, micros(now), c.Project, id); err != nil {
				return err
			}
			if err := leaveLine(ctx, tx, delivery.ID{Project: c.Project, Delivery: id}, now); err != nil {
				return err
			}
		}
		if len(ids) < limit {
			// What another instance has in its journal gets its row soon, and is then to be cancelled too.
			if _, err := tx.ExecContext(ctx, `DELETE FROM cancellations WHERE project = $1 AND cancellation_id = $2
				AND NOT EXISTS (SELECT 1 FROM journal WHERE project = $1 AND journal_id <= $2)`, c.Project, c.ID); err != nil {
				return err
			}
		}
		if c.Quiet && len(ids) == 0 {
			return nil
		}
		return s.publish(ctx, tx, delivery.Change{Cancelled: &c})
	})
	if err != nil || len(ids) == 0 {
		return after, err == nil, err
	}
	return ids[len(ids)-1], len(ids) < limit, nil
}
