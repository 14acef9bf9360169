package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// circuit is a delivery.Circuit as it is stored. Times are microseconds.
type circuit struct {
	OpenTime  int64  `json:"open_time"`
	Reason    string `json:"reason"`
	Code      int    `json:"code"`
	NextProbe int64  `json:"next_probe"`
	Failed    int    `json:"failed,omitempty"`
}

func encodeCircuit(c *delivery.Circuit) (string, error) {
	if !c.IsOpen() {
		return "", nil
	}
	return encode(circuit{
		OpenTime: micros(c.OpenTime), Reason: c.Reason, Code: int(c.Code), NextProbe: micros(c.NextProbe), Failed: c.Failed,
	})
}

func decodeCircuit(text string) (delivery.Circuit, error) {
	var c circuit
	err := decode(text, &c)
	return delivery.Circuit{
		OpenTime: sqldb.Time(c.OpenTime), Reason: c.Reason, Code: delivery.ErrorCode(c.Code), NextProbe: sqldb.Time(c.NextProbe),
		Failed: c.Failed,
	}, err
}

// SetPause implements delivery.Controls.
func (s *Store) SetPause(ctx context.Context, name delivery.DestinationName, p delivery.Pause) error {
	n, err := s.control(ctx, name, `UPDATE destinations SET pause_time = $1, pause_reason = $2 WHERE project = $3 AND destination_id = $4`,
		micros(p.Time), p.Reason)
	if err == nil && n == 0 {
		return fmt.Errorf("%s: %w", name, delivery.ErrDestinationNotFound)
	}
	return err
}

// SetCircuit implements delivery.Controls.
func (s *Store) SetCircuit(ctx context.Context, name delivery.DestinationName, c delivery.Circuit) error {
	text, err := encodeCircuit(&c)
	if err != nil {
		return err
	}
	_, err = s.control(ctx, name, `UPDATE destinations SET circuit = $1 WHERE project = $2 AND destination_id = $3`, text)
	return err
}

// control changes a destination, which the last two parameters of the query name, and tells the other instances.
func (s *Store) control(ctx context.Context, name delivery.DestinationName, query string, args ...any) (int, error) {
	args = append(args, name.Project, name.Destination)
	return writing(ctx, s, func(ctx context.Context, tx sqldb.Tx) (int, error) {
		n, err := affected(ctx, tx, query, args...)
		if err != nil {
			return n, err
		}
		return n, s.publish(ctx, tx, delivery.Change{Destination: &name})
	})
}

// Backlog implements delivery.Controls.
func (s *Store) Backlog(ctx context.Context, lane delivery.DestinationName, limit int) (delivery.Backlog, error) {
	const waiting = `FROM deliveries WHERE project = $1 AND destination_id = $2 AND state = 1 AND owner = ''`
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) (delivery.Backlog, error) {
		var b delivery.Backlog
		var oldest sql.NullInt64
		err := errors.Join(
			tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM (SELECT 1 `+waiting+` LIMIT $3) AS counted`,
				lane.Project, lane.Destination, limit+1).Scan(&b.Waiting),
			tx.QueryRowContext(ctx, `SELECT MIN(next_attempt) `+waiting, lane.Project, lane.Destination).Scan(&oldest))
		if b.Waiting > limit {
			b.Waiting, b.More = limit, true
		}
		if oldest.Valid {
			b.Oldest = sqldb.Time(oldest.Int64)
		}
		return b, err
	})
}
