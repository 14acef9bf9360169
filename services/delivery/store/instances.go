package store

import (
	"context"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// channel is where instances tell each other what they changed.
const channel = "delivery"

// Beat implements delivery.Instances.
func (s *Store) Beat(ctx context.Context, instance string, now, until time.Time) (int, error) {
	return writing(ctx, s, func(ctx context.Context, tx sqldb.Tx) (others int, err error) {
		if s.Alone() { // whoever else is recorded is dead
			if _, err := tx.ExecContext(ctx, `DELETE FROM instances WHERE instance_id <> $1`, instance); err != nil {
				return 0, err
			}
		}
		known, err := affected(ctx, tx, `UPDATE instances SET expire_time = $1 WHERE instance_id = $2`, micros(until), instance)
		if err != nil {
			return 0, err
		}
		if known == 0 {
			if _, err := tx.ExecContext(ctx, `INSERT INTO instances (instance_id, expire_time) VALUES ($1, $2)`,
				instance, micros(until)); err != nil {
				return 0, err
			}
			if err := s.publish(ctx, tx, delivery.Change{Instances: true}); err != nil {
				return 0, err
			}
		}
		err = tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM instances WHERE instance_id <> $1 AND expire_time > $2`,
			instance, micros(now)).Scan(&others)
		return others, err
	})
}

func scanText(row scanner) (text string, err error) {
	err = row.Scan(&text)
	return text, err
}

// Bury implements delivery.Instances.
func (s *Store) Bury(ctx context.Context, now time.Time, limit int) (int, error) {
	dead, err := reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]string, error) {
		return collect(ctx, tx, scanText, `SELECT instance_id FROM instances WHERE expire_time <= $1`, micros(now))
	})
	if err != nil {
		return 0, err
	}
	total := 0
	for _, instance := range dead {
		n, err := s.Leave(ctx, instance, limit)
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

// Leave implements delivery.Instances.
func (s *Store) Leave(ctx context.Context, instance string, limit int) (int, error) {
	return writing(ctx, s, func(ctx context.Context, tx sqldb.Tx) (int, error) {
		n, err := s.replayOwned(ctx, tx, instance, limit)
		if err == nil && n == 0 {
			n, err = affected(ctx, tx, s.claiming(ownedBy, free), instance, limit)
		}
		if err != nil {
			return n, err
		}
		if n > 0 {
			return n, s.publish(ctx, tx, delivery.Change{Backlog: true})
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM instances WHERE instance_id = $1`, instance)
		return 0, err
	})
}

// Adopt implements delivery.Instances.
func (s *Store) Adopt(ctx context.Context, limit int) (int, error) {
	if n, err := s.replayOrphans(ctx, limit); err != nil || n > 0 {
		return n, err
	}
	some, err := reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([][2]string, error) {
		return collect(ctx, tx, scanPair, orphaned, 1)
	})
	if err != nil || len(some) == 0 { // most of the time, without a write
		return 0, err
	}
	return writing(ctx, s, func(ctx context.Context, tx sqldb.Tx) (int, error) {
		return affected(ctx, tx, s.claiming(orphaned, free), limit)
	})
}

// notice is a delivery.Change as instances send it. Releases that run side by side must understand each other.
type notice struct {
	Project      string `json:"project,omitempty"`
	Destination  string `json:"destination,omitempty"` // changed, or, with a cancellation, meant by it
	Cancellation string `json:"cancellation,omitempty"`
	Bus          string `json:"bus,omitempty"`
	Rule         string `json:"rule,omitempty"`
	Target       string `json:"target,omitempty"`
	Instances    bool   `json:"instances,omitempty"`
	Backlog      bool   `json:"backlog,omitempty"`
}

func toNotice(c delivery.Change) notice {
	n := notice{Instances: c.Instances, Backlog: c.Backlog}
	if c.Destination != nil {
		n.Project, n.Destination = c.Destination.Project, c.Destination.Destination
	}
	if c := c.Cancelled; c != nil {
		n = notice{Project: c.Project, Cancellation: c.ID, Bus: c.Bus, Rule: c.Rule, Target: c.Target, Destination: c.Destination}
	}
	return n
}

func (n notice) change() delivery.Change {
	c := delivery.Change{Instances: n.Instances, Backlog: n.Backlog}
	switch {
	case n.Cancellation != "":
		c.Cancelled = &delivery.Cancellation{
			Project: n.Project, ID: n.Cancellation, Bus: n.Bus, Rule: n.Rule, Target: n.Target, Destination: n.Destination,
		}
	case n.Destination != "":
		c.Destination = &delivery.DestinationName{Project: n.Project, Destination: n.Destination}
	}
	return c
}

// publish tells other instances of a change, when and if the transaction commits.
func (s *Store) publish(ctx context.Context, tx sqldb.Tx, change delivery.Change) error {
	payload, err := encode(toNotice(change))
	if err != nil {
		return err
	}
	return s.db.Notify(ctx, tx, channel, payload)
}

// Watch implements delivery.Instances.
func (s *Store) Watch(ctx context.Context, changed func(delivery.Change)) error {
	return s.db.Listen(ctx, channel, func(payload string) {
		var n notice
		if payload == "" || decode(payload, &n) != nil { // something was missed, or is of a newer release
			n = notice{}
		}
		changed(n.change())
	})
}
