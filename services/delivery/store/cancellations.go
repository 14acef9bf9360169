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

// Cancel implements delivery.Deliveries.
func (s *Store) Cancel(ctx context.Context, c delivery.Cancellation, now time.Time, limit int) (bool, error) {
	w := &conditions{}
	w.add(`state = 1`)
	w.add(`project = ? AND delivery_id <= ?`, c.Project, c.ID)
	if c.Destination != "" {
		w.add(`destination_id = ?`, c.Destination)
	} else {
		w.add(`bus_id = ? AND rule_id = ?`, c.Bus, c.Rule)
	}
	if c.Target != "" {
		w.add(`target_id = ?`, c.Target)
	}
	selection := `SELECT delivery_id FROM deliveries` + w.text() + ` ORDER BY delivery_id LIMIT ` + strconv.Itoa(limit)
	w.args = append(w.args, micros(now))
	end := "$" + strconv.Itoa(len(w.args))
	return writing(ctx, s, func(ctx context.Context, tx sqldb.Tx) (bool, error) {
		n, err := affected(ctx, tx, `UPDATE deliveries SET state = 5, owner = '', end_time = `+end+`
			WHERE project = $1 AND state = 1 AND delivery_id IN (`+selection+`)`, w.args...)
		if err != nil {
			return false, err
		}
		if err := s.publish(ctx, tx, delivery.Change{Cancelled: &c}); err != nil || n == limit {
			return false, err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM cancellations WHERE project = $1 AND cancellation_id = $2`, c.Project, c.ID)
		return true, err
	})
}
