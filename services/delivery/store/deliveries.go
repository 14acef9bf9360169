package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// maxHistory is the number of attempts that Delivery returns.
const maxHistory = 200

// selectDeliveries reads deliveries with their events. The payload is only in one of a dead delivery that is read alone.
const selectDeliveries = `SELECT d.project, d.delivery_id, d.rule_id, d.destination_id, d.target, d.state, d.owner, d.create_time,
	d.next_attempt, d.expire_time, d.end_time, d.attempts, d.charged, d.auth_forgiven, d.error_code, d.error_message, d.condition,
	d.redrives, e.event_id, e.bus_id, e.source, e.detail_type, e.detail, e.resources, e.time, e.ingestion_time, e.traceparent, e.replay
	FROM deliveries d JOIN events e ON e.project = d.project AND e.event_id = d.event_id`

func scanDelivery(row scanner) (delivery.Delivery, error) {
	d := delivery.Delivery{Event: &delivery.Event{}}
	e := d.Event
	var target, resources string
	var created, next, expires, ended, forgiven, eventTime, ingested int64
	err := row.Scan(&d.ID.Project, &d.ID.Delivery, &d.Rule, &d.Destination, &target, &d.State, &d.Owner, &created, &next, &expires,
		&ended, &d.Attempts, &d.Charged, &forgiven, &d.ErrorCode, &d.ErrorMessage, &d.Condition, &d.Redrives,
		&e.ID, &e.Bus, &e.Source, &e.DetailType, &e.Detail, &resources, &eventTime, &ingested, &e.Traceparent, &e.Replay)
	if err != nil {
		return d, err
	}
	d.CreateTime, d.NextAttempt, d.ExpireTime = sqldb.Time(created), sqldb.Time(next), sqldb.Time(expires)
	d.EndTime, d.AuthForgiven = sqldb.Time(ended), forgiven != 0
	e.Project, e.Time, e.IngestionTime = d.ID.Project, sqldb.Time(eventTime), sqldb.Time(ingested)
	if d.Target, d.Group, err = decodeTarget(target); err != nil {
		return d, err
	}
	if resources == "[]" {
		return d, nil
	}
	return d, decode(resources, &e.Resources)
}

// Delivery implements delivery.Deliveries.
func (s *Store) Delivery(ctx context.Context, id delivery.ID) (delivery.Delivery, error) {
	if err := s.unfoldThese(ctx, []delivery.ID{id}); err != nil {
		return delivery.Delivery{}, err
	}
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) (delivery.Delivery, error) {
		d, err := oneDelivery(ctx, tx, id)
		if err != nil {
			return d, err
		}
		err = tx.QueryRowContext(ctx, `SELECT payload FROM deliveries WHERE project = $1 AND delivery_id = $2`,
			id.Project, id.Delivery).Scan(&d.Payload)
		if err != nil {
			return d, err
		}
		d.History, err = collect(ctx, tx, scanAttempt, `SELECT number, start_time, duration, status_code, error_class, message,
			token_generation, retry_after, excerpt, trace_id, exchange, batch_id, batch_size FROM attempts
			WHERE project = $1 AND delivery_id = $2 ORDER BY number DESC LIMIT $3`, id.Project, id.Delivery, maxHistory)
		slices.Reverse(d.History)
		return d, err
	})
}

func oneDelivery(ctx context.Context, tx sqldb.Tx, id delivery.ID) (delivery.Delivery, error) {
	d, err := scanDelivery(tx.QueryRowContext(ctx, selectDeliveries+` WHERE d.project = $1 AND d.delivery_id = $2`,
		id.Project, id.Delivery))
	return d, notFound(err, delivery.ErrDeliveryNotFound, id)
}

func scanAttempt(row scanner) (delivery.Attempt, error) {
	var a delivery.Attempt
	var started, duration int64
	var retryAfter *int64
	var exchange string
	err := row.Scan(&a.Number, &started, &duration, &a.StatusCode, &a.Class, &a.Message, &a.TokenGeneration, &retryAfter,
		&a.Excerpt, &a.TraceID, &exchange, &a.Batch, &a.BatchSize)
	if err != nil {
		return a, err
	}
	a.StartTime, a.Duration = sqldb.Time(started), time.Duration(duration)*time.Microsecond
	if retryAfter != nil {
		after := time.Duration(*retryAfter) * time.Microsecond
		a.RetryAfter = &after
	}
	a.Exchange, err = decodeExchange(exchange)
	return a, err
}

// ListDeliveries implements delivery.Deliveries.
func (s *Store) ListDeliveries(
	ctx context.Context, project string, f delivery.Filter, now time.Time, before string, limit int,
) ([]delivery.Delivery, error) {
	if err := s.unfoldFor(ctx, f); err != nil {
		return nil, err
	}
	query, args := listQuery(project, f, now, before, limit)
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]delivery.Delivery, error) {
		return collect(ctx, tx, scanDelivery, query, args...)
	})
}

// unfoldFor unfolds what a filter may select: nothing that has ended.
func (s *Store) unfoldFor(ctx context.Context, f delivery.Filter) error {
	switch f.State {
	case delivery.Succeeded, delivery.Dead, delivery.Cancelled:
		return nil
	case delivery.Pending, delivery.Delivering:
	}
	return s.unfoldAll(ctx)
}

func listQuery(project string, f delivery.Filter, now time.Time, before string, limit int) (query string, args []any) {
	w := where(project, f)
	switch f.State {
	case delivery.Pending:
		w.add(`(d.owner = '' OR d.next_attempt > ?)`, micros(now))
	case delivery.Delivering:
		w.add(`d.owner <> '' AND d.next_attempt <= ?`, micros(now))
	case delivery.Succeeded, delivery.Dead, delivery.Cancelled:
	}
	if before != "" {
		w.add(`d.delivery_id < ?`, before)
	}
	return selectDeliveries + w.text() + ` ORDER BY d.delivery_id DESC LIMIT ` + strconv.Itoa(limit), w.args
}

// conditions are put together for a filter. Texts are constants; values are arguments.
type conditions struct {
	list []string
	args []any
}

// add adds a condition with one ? for each value.
func (c *conditions) add(text string, values ...any) {
	for _, v := range values {
		c.args = append(c.args, v)
		text = strings.Replace(text, "?", "$"+strconv.Itoa(len(c.args)), 1)
	}
	c.list = append(c.list, text)
}

func (c *conditions) text() string { return ` WHERE ` + strings.Join(c.list, ` AND `) }

// where selects what a filter does. States are literal, so that the partial indexes apply.
func where(project string, f delivery.Filter) *conditions {
	c := &conditions{}
	c.add(`d.project = ?`, project)
	switch f.State {
	case delivery.Pending, delivery.Delivering:
		c.add(`d.state = 1`)
	case delivery.Succeeded:
		c.add(`d.state = 3`)
	case delivery.Dead:
		c.add(`d.state = 4`)
	case delivery.Cancelled:
		c.add(`d.state = 5`)
	}
	if f.Destination != "" {
		c.add(`d.destination_id = ?`, f.Destination)
	}
	if f.Rule != "" {
		c.add(`d.bus_id = ? AND d.rule_id = ?`, f.Bus, f.Rule)
	}
	if f.Event != "" {
		c.add(`d.event_id = ?`, f.Event)
	}
	if f.ErrorCode != delivery.NoError {
		c.add(`d.error_code = ?`, int(f.ErrorCode))
	}
	// Ids begin with the time to the millisecond, so that the index of the list serves these.
	if !f.From.IsZero() {
		c.add(`d.delivery_id >= ? AND d.create_time >= ?`, idAt(f.From), micros(f.From))
	}
	if !f.Before.IsZero() {
		c.add(`d.delivery_id < ? AND d.create_time < ?`, idAt(f.Before.Add(time.Millisecond)), micros(f.Before))
	}
	return c
}

// idAt returns the least id of a time's millisecond.
func idAt(t time.Time) string {
	var id ulid.ULID
	if ms := t.UnixMilli(); ms > 0 {
		_ = id.SetTime(min(uint64(ms), ulid.MaxTime()))
	}
	return id.String()
}

// timeOf returns the time in an id, to the millisecond.
func timeOf(id string) (time.Time, error) {
	parsed, err := ulid.ParseStrict(id)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a ULID: %w", id, err)
	}
	return ulid.Time(parsed.Time()), nil
}

// restart starts a delivery anew that is in one of the states, with another target unless that is nil, and returns whether it was one. It
// stays in its group.
func restart(
	ctx context.Context, tx sqldb.Tx, id delivery.ID, now time.Time, target *delivery.Target, states string,
) (int, error) {
	where := ` WHERE project = $2 AND delivery_id = $3 AND state ` + states
	group, err := groupOf(ctx, tx, id)
	if err != nil {
		return 0, err
	}
	if target != nil {
		text, err := encodeTarget(&delivery.Delivery{Target: *target, Group: group})
		if err != nil {
			return 0, err
		}
		if _, err := affected(ctx, tx, `UPDATE deliveries SET target = $1, destination_id = $4, max_age = $5`+where,
			text, id.Project, id.Delivery, target.Destination, target.Retry.Lifetime().Microseconds()); err != nil {
			return 0, err
		}
	}
	n, err := affected(ctx, tx, `UPDATE deliveries SET `+startAnew+where, micros(now), id.Project, id.Delivery)
	if err != nil || n == 0 || group == "" {
		return n, err
	}
	return n, rejoin(ctx, tx, id)
}

// startAnew are the columns that a redrive sets.
const startAnew = `state = 1, owner = '', next_attempt = $1, expire_time = $1 + max_age, end_time = 0, charged = 0,
	auth_forgiven = 0, error_code = 0, error_message = '', condition = 0, payload = '', redrives = redrives + 1`

// Redrive implements delivery.Deliveries.
func (s *Store) Redrive(
	ctx context.Context, id delivery.ID, now time.Time, target *delivery.Target,
) (delivery.Delivery, error) {
	if err := s.unfoldThese(ctx, []delivery.ID{id}); err != nil {
		return delivery.Delivery{}, err
	}
	return writing(ctx, s, func(ctx context.Context, tx sqldb.Tx) (delivery.Delivery, error) {
		d, err := oneDelivery(ctx, tx, id)
		if err != nil {
			return d, err
		}
		if target != nil {
			d.Target, d.Destination = *target, target.Destination
		}
		if _, err := destination(ctx, tx, d.Lane()); err != nil {
			return d, err
		}
		n, err := restart(ctx, tx, id, now, target, `IN (4, 5)`)
		if err != nil {
			return d, err
		}
		if n == 0 {
			return d, fmt.Errorf("%s: only a DEAD or CANCELLED delivery can be redriven: %w", id, delivery.ErrStateConflict)
		}
		return oneDelivery(ctx, tx, id)
	})
}

// deadWith selects up to limit dead deliveries whose destination is there.
func deadWith(project string, f delivery.Filter, limit int) (string, []any) {
	f.State = delivery.Dead
	w := where(project, f)
	w.add(`EXISTS (SELECT 1 FROM destinations x WHERE x.project = d.project AND x.destination_id = d.destination_id)`)
	return `SELECT d.delivery_id, d.destination_id FROM deliveries d` + w.text() + ` ORDER BY d.delivery_id LIMIT ` +
		strconv.Itoa(limit), w.args
}

// RedriveDead implements delivery.Deliveries.
func (s *Store) RedriveDead(
	ctx context.Context, project string, f delivery.Filter, now time.Time, limit int,
) (map[delivery.DestinationName]int, error) {
	query, args := deadWith(project, f, limit)
	return writing(ctx, s, func(ctx context.Context, tx sqldb.Tx) (map[delivery.DestinationName]int, error) {
		rows, err := collect(ctx, tx, scanPair, query, args...)
		if err != nil {
			return nil, err
		}
		started := map[delivery.DestinationName]int{}
		for _, row := range rows {
			n, err := restart(ctx, tx, delivery.ID{Project: project, Delivery: row[0]}, now, nil, `= 4`)
			if err != nil {
				return nil, err
			}
			if n > 0 {
				started[delivery.DestinationName{Project: project, Destination: row[1]}] += n
			}
		}
		return started, nil
	})
}

func scanPair(row scanner) (pair [2]string, err error) {
	err = row.Scan(&pair[0], &pair[1])
	return pair, err
}

// CountDead implements delivery.Deliveries.
func (s *Store) CountDead(ctx context.Context, project string, f delivery.Filter, limit int) (int, error) {
	query, args := deadWith(project, f, limit)
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) (n int, err error) {
		err = tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM (`+query+`) AS dead`, args...).Scan(&n)
		return n, err
	})
}
