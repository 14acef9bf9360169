package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// A line has the unfinished deliveries of one group to one target, in order. Only the first is ever due; whatever ends it makes the next
// one due in the same transaction. The line's own row is locked by whoever changes the line, also across instances.

// lineUp puts new deliveries that have a group behind those that are there.
func lineUp(ctx context.Context, tx sqldb.Tx, list []*delivery.Delivery) error {
	var grouped []*delivery.Delivery
	for _, d := range list {
		if d.Group != "" {
			grouped = append(grouped, d)
		}
	}
	if len(grouped) == 0 {
		return nil
	}
	lines := make(map[*delivery.Delivery]string, len(grouped))
	for _, d := range grouped {
		lines[d] = d.Line()
	}
	// Locks are taken in the same order by all.
	slices.SortStableFunc(grouped, func(a, b *delivery.Delivery) int { return strings.Compare(lines[a], lines[b]) })
	for _, d := range grouped {
		first, err := joinLine(ctx, tx, d.ID, lines[d])
		if err != nil {
			return err
		}
		if d.NextAttempt = d.CreateTime; !first {
			d.NextAttempt = delivery.Behind()
		}
	}
	return nil
}

// joinLine puts a delivery at the end of a line, and says whether it is the first.
func joinLine(ctx context.Context, tx sqldb.Tx, id delivery.ID, line string) (first bool, err error) {
	var place int64
	err = tx.QueryRowContext(ctx, `INSERT INTO delivery_lines (project, line_id, last_place) VALUES ($1, $2, 1)
		ON CONFLICT (project, line_id) DO UPDATE SET last_place = delivery_lines.last_place + 1 RETURNING last_place`,
		id.Project, line).Scan(&place)
	if err != nil {
		return false, err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO line_places (project, line_id, place, delivery_id) VALUES ($1, $2, $3, $4)`,
		id.Project, line, place, id.Delivery)
	return place == 1, err
}

// advanceLine takes a delivery that has ended out of its line, and makes the one that is first then due.
func advanceLine(ctx context.Context, tx sqldb.Tx, id delivery.ID, line string, now time.Time) error {
	locked, err := affected(ctx, tx, `UPDATE delivery_lines SET last_place = last_place WHERE project = $1 AND line_id = $2`,
		id.Project, line)
	if err != nil || locked == 0 {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM line_places WHERE project = $1 AND delivery_id = $2`,
		id.Project, id.Delivery); err != nil {
		return err
	}
	var next string
	err = tx.QueryRowContext(ctx, `SELECT delivery_id FROM line_places WHERE project = $1 AND line_id = $2 ORDER BY place LIMIT 1`,
		id.Project, line).Scan(&next)
	if errors.Is(err, sql.ErrNoRows) {
		_, err = tx.ExecContext(ctx, `DELETE FROM delivery_lines WHERE project = $1 AND line_id = $2`, id.Project, line)
		return err
	}
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE deliveries SET next_attempt = $1
		WHERE project = $2 AND delivery_id = $3 AND state = 1 AND next_attempt = $4`,
		micros(now), id.Project, next, micros(delivery.Behind()))
	return err
}

// leaveLine does the same for a delivery of which only the id is known; most have no line.
func leaveLine(ctx context.Context, tx sqldb.Tx, id delivery.ID, now time.Time) error {
	var line string
	err := tx.QueryRowContext(ctx, `SELECT line_id FROM line_places WHERE project = $1 AND delivery_id = $2`,
		id.Project, id.Delivery).Scan(&line)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return advanceLine(ctx, tx, id, line, now)
}

// groupOf returns the group of a delivery; empty if it has none, or is not there.
func groupOf(ctx context.Context, tx sqldb.Tx, id delivery.ID) (string, error) {
	var target string
	err := tx.QueryRowContext(ctx, `SELECT target FROM deliveries WHERE project = $1 AND delivery_id = $2`,
		id.Project, id.Delivery).Scan(&target)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	_, group, err := decodeTarget(target)
	return group, err
}

// rejoin puts a delivery of a group that was started anew at the end of its line.
func rejoin(ctx context.Context, tx sqldb.Tx, id delivery.ID) error {
	d, err := oneDelivery(ctx, tx, id)
	if err != nil {
		return err
	}
	first, err := joinLine(ctx, tx, id, d.Line())
	if err != nil || first {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE deliveries SET next_attempt = $1 WHERE project = $2 AND delivery_id = $3`,
		micros(delivery.Behind()), id.Project, id.Delivery)
	return err
}
