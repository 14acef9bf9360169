package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

const destinationColumns = `project, destination_id, description, connection_id, endpoint, http_method, rate_limit, timeout,
	create_time, update_time, etag, settings`

const selectDestinations = `SELECT ` + destinationColumns + `, pause_time, pause_reason, circuit FROM destinations`

func scanDestination(row scanner) (delivery.Destination, error) {
	var d delivery.Destination
	var timeout, created, updated, paused int64
	var settings, circuit string
	err := row.Scan(&d.Name.Project, &d.Name.Destination, &d.Description, &d.Connection, &d.Endpoint, &d.Method, &d.RateLimit,
		&timeout, &created, &updated, &d.Etag, &settings, &paused, &d.Pause.Reason, &circuit)
	if err != nil {
		return d, err
	}
	d.Timeout = time.Duration(timeout) * time.Microsecond
	d.CreateTime, d.UpdateTime = sqldb.Time(created), sqldb.Time(updated)
	d.Pause.Time = sqldb.Time(paused)
	if err := decodeSettings(settings, &d); err != nil || circuit == "" {
		return d, err
	}
	d.Circuit, err = decodeCircuit(circuit)
	return d, err
}

// Destination implements delivery.Destinations.
func (s *Store) Destination(ctx context.Context, name delivery.DestinationName) (delivery.Destination, error) {
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) (delivery.Destination, error) {
		return destination(ctx, tx, name)
	})
}

func destination(ctx context.Context, tx sqldb.Tx, name delivery.DestinationName) (delivery.Destination, error) {
	d, err := scanDestination(tx.QueryRowContext(ctx, selectDestinations+` WHERE project = $1 AND destination_id = $2`, name.Project, name.Destination))
	return d, notFound(err, delivery.ErrDestinationNotFound, name)
}

// ListDestinations implements delivery.Destinations.
func (s *Store) ListDestinations(ctx context.Context, project, after string, limit int) ([]delivery.Destination, error) {
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]delivery.Destination, error) {
		return collect(ctx, tx, scanDestination, selectDestinations+`
			WHERE project = $1 AND destination_id > $2 ORDER BY destination_id LIMIT $3`, project, after, limit)
	})
}

// CreateDestination implements delivery.Destinations.
func (s *Store) CreateDestination(ctx context.Context, d delivery.Destination) error {
	settings, err := encodeSettings(&d)
	if err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO destinations (`+destinationColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
			d.Name.Project, d.Name.Destination, d.Description, d.Connection, d.Endpoint, d.Method, d.RateLimit,
			d.Timeout.Microseconds(), micros(d.CreateTime), micros(d.UpdateTime), d.Etag, settings)
		if err != nil {
			return exists(err, d.Name)
		}
		return s.publish(ctx, tx, delivery.Change{Destination: &d.Name})
	})
}

// ReplaceDestination implements delivery.Destinations.
func (s *Store) ReplaceDestination(
	ctx context.Context, d delivery.Destination, etag string, check func([]delivery.Rule) error,
) error {
	settings, err := encodeSettings(&d)
	if err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		n, err := affected(ctx, tx, `UPDATE destinations SET description = $1, connection_id = $2, endpoint = $3, http_method = $4,
			rate_limit = $5, timeout = $6, update_time = $7, etag = $8, settings = $9
			WHERE project = $10 AND destination_id = $11 AND etag = $12`,
			d.Description, d.Connection, d.Endpoint, d.Method, d.RateLimit, d.Timeout.Microseconds(), micros(d.UpdateTime), d.Etag,
			settings, d.Name.Project, d.Name.Destination, etag)
		if err != nil {
			return err
		}
		if n == 0 {
			_, err := destination(ctx, tx, d.Name)
			return errors.Join(err, mismatch(n, d.Name))
		}
		users, err := users(ctx, tx, d.Name)
		if err != nil {
			return err
		}
		if err := check(users); err != nil {
			return err
		}
		return s.publish(ctx, tx, delivery.Change{Destination: &d.Name})
	})
}

// RulesOf implements delivery.Destinations.
func (s *Store) RulesOf(ctx context.Context, name delivery.DestinationName) ([]delivery.Rule, error) {
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]delivery.Rule, error) { return users(ctx, tx, name) })
}

// users returns the rules that use a destination.
func users(ctx context.Context, tx sqldb.Tx, name delivery.DestinationName) ([]delivery.Rule, error) {
	return collect(ctx, tx, scanRule, `SELECT r.project, r.bus_id, r.rule_id, r.description, r.event_pattern, r.disabled, r.targets,
		r.create_time, r.update_time, r.etag FROM rule_destinations u
		JOIN rules r ON r.project = u.project AND r.bus_id = u.bus_id AND r.rule_id = u.rule_id
		WHERE u.project = $1 AND u.destination_id = $2 ORDER BY u.bus_id, u.rule_id`, name.Project, name.Destination)
}

// DeleteDestination implements delivery.Destinations.
func (s *Store) DeleteDestination(
	ctx context.Context, name delivery.DestinationName, etag string, cancel delivery.Cancellation,
) error {
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		stored, err := destination(ctx, tx, name)
		if err != nil {
			return err
		}
		if etag != "" && etag != stored.Etag {
			return fmt.Errorf("%s: %w", name, delivery.ErrEtagMismatch)
		}
		// Locks the row, as who writes a rule does.
		n, err := affected(ctx, tx, `DELETE FROM destinations WHERE project = $1 AND destination_id = $2 AND etag = $3`,
			name.Project, name.Destination, stored.Etag)
		if err != nil || n == 0 {
			return errors.Join(err, mismatch(n, name))
		}
		users, err := users(ctx, tx, name)
		if err != nil {
			return err
		}
		if len(users) > 0 {
			return fmt.Errorf("%s: %w by %s", name, delivery.ErrInUse, users[0].Name)
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM signing_keys WHERE project = $1 AND destination_id = $2`,
			name.Project, name.Destination); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM rate_slots WHERE project = $1 AND destination_id = $2`,
			name.Project, name.Destination); err != nil {
			return err
		}
		if err := insertCancellation(ctx, tx, cancel); err != nil {
			return err
		}
		return s.publish(ctx, tx, delivery.Change{Destination: &name})
	})
}
