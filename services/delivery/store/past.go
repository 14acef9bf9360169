package store

import (
	"context"
	"slices"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/jobs"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// Advance implements jobs.Jobs. The job's row is written first: it is the lock against another driver.
func (s *Store) Advance(
	ctx context.Context, j jobs.Job, bus delivery.BusName, plan delivery.Plan, once bool,
) (stored []*delivery.Delivery, err error) {
	if err := s.unfoldAll(ctx); err != nil {
		return nil, err
	}
	return writing(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]*delivery.Delivery, error) {
		if err := updateJob(ctx, tx, &j, jobs.Running); err != nil {
			return nil, err
		}
		version, err := rulesVersion(ctx, tx, bus)
		if err != nil {
			return nil, err
		}
		batch, err := plan(version, func() (delivery.RuleSet, error) { return ruleSet(ctx, tx, bus, version) })
		if err != nil {
			return nil, err
		}
		if err := s.insertEvents(ctx, tx, &batch, once); err != nil {
			return nil, err
		}
		if err := lineUp(ctx, tx, batch.Deliveries); err != nil {
			return nil, err
		}
		var targets encodedTargets
		rows := make([][]any, len(batch.Deliveries))
		for i, d := range batch.Deliveries {
			target, err := targets.encode(d)
			if err != nil {
				return nil, err
			}
			rows[i] = deliveryRow(d, target)
		}
		if _, err := s.inserts.deliveries.run(ctx, tx, rows); err != nil {
			return nil, err
		}
		return batch.Deliveries, addEffects(ctx, tx, j.Name, len(batch.Deliveries))
	})
}

func addEffects(ctx context.Context, tx sqldb.Tx, name jobs.Name, n int) error {
	_, err := tx.ExecContext(ctx, `UPDATE jobs SET effects = effects + $1 WHERE project = $2 AND kind = $3 AND job_id = $4`,
		n, name.Project, int(name.Kind), name.ID)
	return err
}

// insertEvents stores the events of a batch; once: those of its new deliveries, to which it is cut down.
func (s *Store) insertEvents(ctx context.Context, tx sqldb.Tx, batch *delivery.Batch, once bool) (err error) {
	events := batch.Events
	if once {
		if batch.Deliveries, err = newDeliveries(ctx, tx, batch.Deliveries); err != nil {
			return err
		}
		events = nil
		for _, d := range batch.Deliveries { // those of an event follow each other
			if n := len(events); n == 0 || events[n-1].ID != d.Event.ID {
				events = append(events, d.Event)
			}
		}
	}
	rows := make([][]any, len(events))
	for i, e := range events {
		if rows[i], err = eventRow(e); err != nil {
			return err
		}
	}
	if once {
		return s.insertOnce(ctx, tx, events, rows)
	}
	_, err = s.inserts.events.run(ctx, tx, rows)
	return err
}

// insertOnce stores the events that are not there, and locks them all.
func (s *Store) insertOnce(ctx context.Context, tx sqldb.Tx, events []*delivery.Event, rows [][]any) error {
	var missing []*delivery.Event
	var inserted [][]any
	for i, row := range rows {
		n, err := s.inserts.eventsNew.run(ctx, tx, rows[i:i+1])
		if err != nil {
			return err
		}
		if n > 0 {
			missing, inserted = append(missing, events[i]), append(inserted, row)
		}
	}
	if _, err := s.inserts.eventsOnce.run(ctx, tx, rows); err != nil {
		return err
	}
	return measureLate(ctx, tx, inserted, missing)
}

// newDeliveries leaves out those of targets that their event was meant for already.
func newDeliveries(ctx context.Context, tx sqldb.Tx, list []*delivery.Delivery) ([]*delivery.Delivery, error) {
	scan := func(row scanner) (k meant, err error) {
		err = row.Scan(&k.event, &k.rule, &k.target)
		return k, err
	}
	there, err := meantInJournals(ctx, tx, list)
	if err != nil {
		return nil, err
	}
	last := ""
	for _, d := range list { // those of an event follow each other
		if d.Event.ID == last {
			continue
		}
		last = d.Event.ID
		keys, err := collect(ctx, tx, scan, `SELECT event_id, rule_id, target_id FROM deliveries WHERE project = $1 AND event_id = $2`,
			d.ID.Project, d.Event.ID)
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			there[k] = true
		}
	}
	return slices.DeleteFunc(list, func(d *delivery.Delivery) bool { return there[meant{d.Event.ID, d.Rule, d.Target.ID}] }), nil
}

// archivedColumns are those of scanArchived.
const archivedColumns = `event_id, source, detail_type, detail, resources, time, ingestion_time, traceparent`

func scanArchived(key jobs.ArchiveKey) func(scanner) (*delivery.Event, error) {
	return func(row scanner) (*delivery.Event, error) {
		e := &delivery.Event{Project: key.Bus.Project, Bus: key.Bus.Bus}
		var resources string
		var at, ingested int64
		if err := row.Scan(&e.ID, &e.Source, &e.DetailType, &e.Detail, &resources, &at, &ingested, &e.Traceparent); err != nil {
			return nil, err
		}
		e.Time, e.IngestionTime = sqldb.Time(at), sqldb.Time(ingested)
		return e, decodeResources(resources, e)
	}
}

func decodeResources(text string, e *delivery.Event) error {
	if text == "[]" {
		return nil
	}
	return decode(text, &e.Resources)
}

// ArchivedByTime implements jobs.Past.
func (s *Store) ArchivedByTime(
	ctx context.Context, key jobs.ArchiveKey, from, before time.Time, after jobs.Cursor, limit int,
) ([]*delivery.Event, error) {
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]*delivery.Event, error) {
		at := max(micros(from), micros(after.Time))
		return collect(ctx, tx, scanArchived(key), `SELECT `+archivedColumns+` FROM archived_events
			WHERE project = $1 AND archive_uid = $2 AND time < $3 AND (time, event_id) > ($4, $5) ORDER BY time, event_id LIMIT $6`,
			key.Bus.Project, key.UID, micros(before), at, after.ID, limit)
	})
}

// ArchivedByAcceptance implements jobs.Past.
func (s *Store) ArchivedByAcceptance(
	ctx context.Context, key jobs.ArchiveKey, from, before time.Time, after jobs.Cursor, limit int,
) ([]*delivery.Event, error) {
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]*delivery.Event, error) {
		at := max(micros(from), micros(after.Time))
		return collect(ctx, tx, scanArchived(key), `SELECT `+archivedColumns+` FROM archived_events
			WHERE project = $1 AND archive_uid = $2 AND ingestion_time < $3 AND (ingestion_time, event_id) > ($4, $5)
			ORDER BY ingestion_time, event_id LIMIT $6`, key.Bus.Project, key.UID, micros(before), at, after.ID, limit)
	})
}

// History implements jobs.Past. Ids begin with the time of the acceptance, so that the table's key serves it.
func (s *Store) History(
	ctx context.Context, project string, from, before time.Time, after string, limit int,
) ([]*delivery.Event, error) {
	scan := func(row scanner) (*delivery.Event, error) {
		e := &delivery.Event{Project: project}
		var resources string
		var at, ingested int64
		err := row.Scan(&e.ID, &e.Bus, &e.Source, &e.DetailType, &e.Detail, &resources, &at, &ingested, &e.Traceparent, &e.Replay)
		if err != nil {
			return nil, err
		}
		e.Time, e.IngestionTime = sqldb.Time(at), sqldb.Time(ingested)
		return e, decodeResources(resources, e)
	}
	if first := idAt(from); after < first {
		after = first
	}
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]*delivery.Event, error) {
		return collect(ctx, tx, scan, `SELECT event_id, bus_id, source, detail_type, detail, resources, time, ingestion_time, traceparent,
			replay FROM events WHERE project = $1 AND event_id > $2 AND event_id < $3 ORDER BY event_id LIMIT $4`,
			project, after, idAt(before.Add(time.Millisecond)), limit)
	})
}
