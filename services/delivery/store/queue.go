package store

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// Claim implements delivery.Queue.
func (s *Store) Claim(
	ctx context.Context, lane delivery.DestinationName, owner string, now time.Time, limit int,
) (claimed []*delivery.Delivery, next time.Time, err error) {
	err = s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		claimed = nil
		ids, err := collect(ctx, tx, scanPair, s.claiming(claimable, take), owner, lane.Project, lane.Destination, micros(now), limit)
		if err != nil {
			return err
		}
		if claimed, err = claimedDeliveries(ctx, tx, ids); err != nil {
			return err
		}
		var due sql.NullInt64
		err = tx.QueryRowContext(ctx, `SELECT MIN(next_attempt) FROM deliveries
			WHERE project = $1 AND destination_id = $2 AND state = 1 AND owner = ''`, lane.Project, lane.Destination).Scan(&due)
		next = sqldb.Time(due.Int64)
		return err
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	return claimed, next, nil
}

// ClaimOverdue implements delivery.Queue.
func (s *Store) ClaimOverdue(ctx context.Context, owner string, now time.Time, limit int) ([]*delivery.Delivery, error) {
	some, err := reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) (bool, error) {
		var first sql.NullInt64
		err := tx.QueryRowContext(ctx, `SELECT MIN(expire_time) FROM deliveries WHERE state = 1 AND owner = ''`).Scan(&first)
		return first.Valid && first.Int64 <= micros(now), err
	})
	if err != nil || !some { // most of the time, without a write
		return nil, err
	}
	return writing(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]*delivery.Delivery, error) {
		ids, err := collect(ctx, tx, scanPair, s.claiming(overdue, take), owner, micros(now), limit)
		if err != nil {
			return nil, err
		}
		return claimedDeliveries(ctx, tx, ids)
	})
}

// chunk is the number of deliveries that one query reads by id. The text of the query is always the same.
const chunk = 64

// claimedDeliveries reads deliveries, in the order of their due times.
func claimedDeliveries(ctx context.Context, tx sqldb.Tx, ids [][2]string) ([]*delivery.Delivery, error) {
	slices.SortFunc(ids, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	var list []*delivery.Delivery
	for len(ids) > 0 {
		project := ids[0][0]
		args := []any{project}
		for len(args) <= chunk && len(ids) > 0 && ids[0][0] == project {
			args = append(args, ids[0][1])
			ids = ids[1:]
		}
		for len(args) <= chunk {
			args = append(args, "")
		}
		read, err := collect(ctx, tx, scanDelivery, selectDeliveries+` WHERE d.project = $1 AND d.delivery_id IN (`+
			placeholders(2, chunk)+`)`, args...)
		if err != nil {
			return nil, err
		}
		for i := range read {
			list = append(list, &read[i])
		}
	}
	slices.SortFunc(list, func(a, b *delivery.Delivery) int {
		if c := a.NextAttempt.Compare(b.NextAttempt); c != 0 {
			return c
		}
		return strings.Compare(a.ID.Delivery, b.ID.Delivery)
	})
	return list, nil
}

// placeholders returns n of them, the first with the given number.
func placeholders(first, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(first+i))
	}
	return b.String()
}

// Release implements delivery.Queue.
func (s *Store) Release(ctx context.Context, owner string, ids []delivery.ID) error {
	if err := s.unfoldThese(ctx, ids); err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := s.replayNamed(ctx, tx, owner, ids); err != nil { // of an Accept whose outcome was not known
			return err
		}
		for _, id := range ids {
			if _, err := tx.ExecContext(ctx, `UPDATE deliveries SET owner = ''
				WHERE project = $1 AND delivery_id = $2 AND state = 1 AND owner = $3`, id.Project, id.Delivery, owner); err != nil {
				return err
			}
		}
		return nil
	})
}

// Due implements delivery.Queue.
func (s *Store) Due(ctx context.Context) (map[delivery.DestinationName]time.Time, error) {
	type oldest struct {
		name delivery.DestinationName
		at   sql.NullInt64
	}
	scan := func(row scanner) (o oldest, err error) {
		err = row.Scan(&o.name.Project, &o.name.Destination, &o.at)
		return o, err
	}
	lanes, err := reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]oldest, error) {
		return collect(ctx, tx, scan, `SELECT x.project, x.destination_id, (SELECT MIN(d.next_attempt) FROM deliveries d
			WHERE d.project = x.project AND d.destination_id = x.destination_id AND d.state = 1 AND d.owner = '') FROM destinations x`)
	})
	due := map[delivery.DestinationName]time.Time{}
	for _, o := range lanes {
		if o.at.Valid {
			due[o.name] = sqldb.Time(o.at.Int64)
		}
	}
	return due, err
}

// Slots implements delivery.Queue.
func (s *Store) Slots(
	ctx context.Context, lane delivery.DestinationName, now time.Time, interval time.Duration, n int,
) (time.Time, error) {
	length := (time.Duration(n) * interval).Microseconds()
	return writing(ctx, s, func(ctx context.Context, tx sqldb.Tx) (time.Time, error) {
		var end int64
		err := tx.QueryRowContext(ctx, `INSERT INTO rate_slots (project, destination_id, next_slot)
			VALUES ($1, $2, CAST($3 AS BIGINT) + CAST($4 AS BIGINT))
			ON CONFLICT (project, destination_id) DO UPDATE SET next_slot = CAST($4 AS BIGINT) +
				CASE WHEN rate_slots.next_slot > CAST($3 AS BIGINT) THEN rate_slots.next_slot ELSE CAST($3 AS BIGINT) END
			RETURNING next_slot`, lane.Project, lane.Destination, micros(now), length).Scan(&end)
		return sqldb.Time(end - length), err
	})
}
