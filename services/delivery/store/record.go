package store

import (
	"context"
	"errors"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// recordLinger is how long an outcome waits for others. Nobody waits for it, unless it is one of a group; but calls of Accept, for which someone
// does, would wait for a transaction of each.
const recordLinger = 3 * time.Millisecond

// outcome is a call of Record.
type outcome struct {
	owner    string
	delivery *delivery.Delivery
	attempt  *delivery.Attempt
	fresh    bool   // it has no row yet
	target   string // encoded; only of one that is fresh
	applied  bool
}

// errUnfolded means that another instance has given deliveries of this one rows, as it took this one for dead.
var errUnfolded = errors.New("store: a delivery of the journal has a row")

// Record implements delivery.Queue.
func (s *Store) Record(ctx context.Context, owner string, d *delivery.Delivery, a *delivery.Attempt) (bool, error) {
	if has := s.journal.owner(d.ID); has != "" && has != owner {
		if err := s.unfoldThese(ctx, []delivery.ID{d.ID}); err != nil {
			return false, err
		}
	}
	o := &outcome{owner: owner, delivery: d, attempt: a}
	err := s.recording.do(ctx, o)
	return o.applied && err == nil, err
}

// recordAll stores several outcomes. A statement that fails for one fails for all, so they are then tried one by one.
func (s *Store) recordAll(ctx context.Context, calls []*call[*outcome]) {
	s.journal.writing.Lock()
	defer s.journal.writing.Unlock()
	s.recordSome(ctx, calls)
}

func (s *Store) recordSome(ctx context.Context, calls []*call[*outcome]) {
	var fresh []delivery.ID
	for _, c := range calls {
		if c.item.target, c.item.fresh = s.journal.target(c.item.delivery.ID); c.item.fresh {
			fresh = append(fresh, c.item.delivery.ID)
		}
	}
	var failed error
	err := s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		failed = s.recordIn(ctx, tx, calls)
		return failed
	})
	switch {
	case err == nil:
		s.journal.close(fresh)
	case errors.Is(err, errUnfolded):
		s.journal.close(fresh)
		s.recordSome(ctx, calls) // now none is fresh
	case failed != nil && len(calls) > 1 && !sqldb.IsUnavailable(err):
		for i := range calls {
			s.recordSome(ctx, calls[i:i+1])
		}
	default:
		for _, c := range calls {
			c.err = err
		}
	}
}

func (s *Store) recordIn(ctx context.Context, tx sqldb.Tx, calls []*call[*outcome]) error {
	var rows, attempts [][]any
	for _, c := range calls {
		o := c.item
		if o.applied = o.fresh; o.fresh {
			rows = append(rows, deliveryRow(o.delivery, o.target))
			continue
		}
		n, err := updateDelivery(ctx, tx, o.owner, o.delivery)
		if err != nil {
			return err
		}
		o.applied = n > 0
	}
	inserted, err := s.inserts.unfolded.run(ctx, tx, rows)
	if err != nil {
		return err
	}
	if inserted < len(rows) {
		return errUnfolded
	}
	for _, c := range calls {
		if o := c.item; o.applied && o.delivery.Group != "" && o.delivery.State != delivery.Pending {
			if err := advanceLine(ctx, tx, o.delivery.ID, o.delivery.Line(), o.delivery.EndTime); err != nil {
				return err
			}
		}
	}
	for _, c := range calls {
		if o := c.item; o.applied && o.attempt != nil {
			row, err := attemptRow(o.delivery.ID, o.attempt)
			if err != nil {
				return err
			}
			attempts = append(attempts, row)
		}
	}
	_, err = s.inserts.attempts.run(ctx, tx, attempts)
	return err
}

// updateDelivery changes a delivery that the owner has; that it succeeded, whoever has it.
func updateDelivery(ctx context.Context, tx sqldb.Tx, owner string, d *delivery.Delivery) (int, error) {
	return affected(ctx, tx, `UPDATE deliveries SET state = $1, owner = $2, next_attempt = $3, end_time = $4, attempts = $5,
		charged = $6, auth_forgiven = $7, error_code = $8, error_message = $9, condition = $10, payload = $11
		WHERE project = $12 AND delivery_id = $13 AND state = 1 AND (owner = $14 OR $15 = 1)`,
		int(d.State), d.Owner, micros(d.NextAttempt), micros(d.EndTime), d.Attempts, d.Charged, number(d.AuthForgiven),
		int(d.ErrorCode), d.ErrorMessage, int(d.Condition), d.Payload, d.ID.Project, d.ID.Delivery, owner,
		number(d.State == delivery.Succeeded))
}

func attemptRow(id delivery.ID, a *delivery.Attempt) ([]any, error) {
	exchange, err := encodeExchange(a.Exchange)
	var retryAfter *int64
	if a.RetryAfter != nil {
		us := a.RetryAfter.Microseconds()
		retryAfter = &us
	}
	return []any{
		id.Project, id.Delivery, a.Number, micros(a.StartTime), a.Duration.Microseconds(), a.StatusCode, int(a.Class), a.Message,
		a.TokenGeneration, retryAfter, a.Excerpt, a.TraceID, exchange, a.Batch, a.BatchSize,
	}, err
}
