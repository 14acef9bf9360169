package store

import (
	"context"
	"strconv"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/jobs"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// ListDead implements jobs.Dead.
func (s *Store) ListDead(
	ctx context.Context, project string, f delivery.Filter, before time.Time, after string, limit int,
) ([]delivery.Delivery, error) {
	f.State = delivery.Dead
	w := where(project, f)
	w.add(`d.delivery_id > ? AND d.delivery_id < ?`, after, idAt(before.Add(time.Millisecond)))
	scan := func(row scanner) (delivery.Delivery, error) {
		d := delivery.Delivery{Event: &delivery.Event{Project: project}, State: delivery.Dead}
		var target string
		var created int64
		err := row.Scan(&d.ID.Project, &d.ID.Delivery, &d.Event.ID, &d.Event.Bus, &d.Rule, &d.Destination, &target, &created)
		if err != nil {
			return d, err
		}
		d.CreateTime = sqldb.Time(created)
		d.Target, d.Group, err = decodeTarget(target)
		return d, err
	}
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]delivery.Delivery, error) {
		return collect(ctx, tx, scan, `SELECT d.project, d.delivery_id, d.event_id, d.bus_id, d.rule_id, d.destination_id, d.target,
			d.create_time FROM deliveries d`+w.text()+` ORDER BY d.delivery_id LIMIT `+strconv.Itoa(limit), w.args...)
	})
}

// Restart implements jobs.Dead. The job's row is written first: it is the lock against another driver.
func (s *Store) Restart(
	ctx context.Context, j jobs.Job, list []jobs.Restart, now time.Time,
) ([]delivery.DestinationName, error) {
	return writing(ctx, s, func(ctx context.Context, tx sqldb.Tx) (lanes []delivery.DestinationName, err error) {
		if err := updateJob(ctx, tx, &j, jobs.Running); err != nil {
			return nil, err
		}
		there := map[string]bool{}
		for _, r := range list {
			lane := delivery.DestinationName{Project: r.ID.Project, Destination: r.Destination}
			if _, known := there[r.Destination]; !known {
				if there[r.Destination], err = destinationExists(ctx, tx, lane); err != nil {
					return nil, err
				}
			}
			if !there[r.Destination] {
				continue
			}
			n, err := restart(ctx, tx, r.ID, now, r.Target, `= 4`)
			if err != nil {
				return nil, err
			}
			if n > 0 {
				lanes = append(lanes, lane)
			}
		}
		return lanes, addEffects(ctx, tx, j.Name, len(lanes))
	})
}

func destinationExists(ctx context.Context, tx sqldb.Tx, name delivery.DestinationName) (bool, error) {
	ids, err := collect(ctx, tx, scanText, `SELECT destination_id FROM destinations WHERE project = $1 AND destination_id = $2`,
		name.Project, name.Destination)
	return len(ids) > 0, err
}
