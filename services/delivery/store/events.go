package store

import (
	"context"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// Accept implements delivery.Events.
func (s *Store) Accept(ctx context.Context, name delivery.BusName, plan delivery.Plan) error {
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		version, err := rulesVersion(ctx, tx, name)
		if err != nil {
			return err
		}
		batch, err := plan(version, func() (delivery.RuleSet, error) { return ruleSet(ctx, tx, name, version) })
		if err != nil {
			return err
		}
		if len(batch.Keys) > 0 {
			if err := claimKeys(ctx, tx, name, batch.Keys); err != nil {
				return err
			}
		}
		if batch.Tick != nil {
			if err := passTick(ctx, tx, batch.Tick); err != nil {
				return err
			}
		}
		for _, e := range batch.Events {
			if err := insertEvent(ctx, tx, e); err != nil {
				return err
			}
		}
		for _, d := range batch.Deliveries {
			if err := insertDelivery(ctx, tx, d); err != nil {
				return err
			}
		}
		return insertArchived(ctx, tx, batch.Archived)
	})
}

func insertEvent(ctx context.Context, tx sqldb.Tx, e *delivery.Event) error {
	return storeEvent(ctx, tx, e, insertEventText)
}

// insertEventOnce stores an event unless it is stored already.
func insertEventOnce(ctx context.Context, tx sqldb.Tx, e *delivery.Event) error {
	return storeEvent(ctx, tx, e, insertEventText+` ON CONFLICT (project, event_id) DO NOTHING`)
}

const insertEventText = `INSERT INTO events (project, event_id, bus_id, source, detail_type, detail, resources, time,
	ingestion_time, traceparent, replay) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

func storeEvent(ctx context.Context, tx sqldb.Tx, e *delivery.Event, query string) error {
	resources, err := encodeResources(e.Resources)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, query, e.Project, e.ID, e.Bus, e.Source, e.DetailType, e.Detail, resources, micros(e.Time),
		micros(e.IngestionTime), e.Traceparent, e.Replay)
	return err
}

func encodeResources(resources []string) (string, error) {
	if len(resources) == 0 {
		return "[]", nil
	}
	return encode(resources)
}

func insertDelivery(ctx context.Context, tx sqldb.Tx, d *delivery.Delivery) error {
	target, err := encodeTarget(d.Target)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO deliveries (project, delivery_id, event_id, bus_id, rule_id, target_id, destination_id,
		target, state, owner, create_time, next_attempt, expire_time, end_time, max_age, attempts, charged, auth_forgiven, error_code,
		error_message, condition, payload, redrives)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $10, $11, $12, 0, $13, 0, 0, 0, 0, '', 0, '', 0)`,
		d.ID.Project, d.ID.Delivery, d.Event.ID, d.Event.Bus, d.Rule, d.Target.ID, d.Destination, target, d.Owner,
		micros(d.CreateTime), micros(d.NextAttempt), micros(d.ExpireTime), d.Target.Retry.Lifetime().Microseconds())
	return err
}
