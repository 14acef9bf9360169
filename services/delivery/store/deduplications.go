package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// freeKeys finds one that is free again.
const freeKeys = `SELECT dedup_key FROM deduplications WHERE expire_time <= $1 ORDER BY expire_time LIMIT 1`

// claimKeys makes keys those of their events; a DuplicatesError if some are those of others already. They are claimed in one order, so that
// no two writers wait for each other.
func claimKeys(ctx context.Context, tx sqldb.Tx, bus delivery.BusName, keys []delivery.Key) error {
	keys = slices.Clone(keys)
	slices.SortStableFunc(keys, func(a, b delivery.Key) int { return strings.Compare(a.Key, b.Key) })
	first := map[string]string{}
	for _, k := range keys {
		claimed, err := affected(ctx, tx, `INSERT INTO deduplications (project, bus_id, dedup_key, event_id, expire_time)
			VALUES ($1, $2, $3, $4, $5) ON CONFLICT (project, bus_id, dedup_key) DO UPDATE
			SET event_id = excluded.event_id, expire_time = excluded.expire_time WHERE deduplications.expire_time <= $6`,
			bus.Project, bus.Bus, k.Key, k.EventID, micros(k.Until), micros(k.Until.Add(-delivery.DeduplicationWindow)))
		if err != nil {
			return err
		}
		if claimed == 1 {
			continue
		}
		var holder string
		if err := tx.QueryRowContext(ctx, `SELECT event_id FROM deduplications WHERE project = $1 AND bus_id = $2 AND dedup_key = $3`,
			bus.Project, bus.Bus, k.Key).Scan(&holder); err != nil {
			return err
		}
		first[k.EventID] = holder
	}
	if len(first) > 0 {
		return &delivery.DuplicatesError{First: first}
	}
	return nil
}

// ForgetKeys implements delivery.Deduplications.
func (s *Store) ForgetKeys(ctx context.Context, now time.Time, limit int) (int, error) {
	some, err := reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]string, error) {
		return collect(ctx, tx, scanText, freeKeys, micros(now))
	})
	if err != nil || len(some) == 0 { // most of the time, without a write
		return 0, err
	}
	return writing(ctx, s, func(ctx context.Context, tx sqldb.Tx) (int, error) {
		return affected(ctx, tx, s.claiming(expired, forgetKeys), micros(now), limit)
	})
}
