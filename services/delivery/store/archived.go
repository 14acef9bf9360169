package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// insertArchived copies events into archives and records how their counts change.
func insertArchived(ctx context.Context, tx sqldb.Tx, list []delivery.Archived) error {
	for _, a := range list {
		var bytes int64
		for _, e := range a.Events {
			resources, err := encodeResources(e.Resources)
			if err != nil {
				return err
			}
			size := int64(e.Size())
			bytes += size
			if _, err := tx.ExecContext(ctx, `INSERT INTO archived_events (project, archive_uid, event_id, source, detail_type, detail,
				resources, time, ingestion_time, traceparent, size_bytes) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
				a.Project, a.ArchiveUID, e.ID, e.Source, e.DetailType, e.Detail, resources, micros(e.Time), micros(e.IngestionTime),
				e.Traceparent, size); err != nil {
				return err
			}
		}
		if err := insertCount(ctx, tx, a.Project, a.ArchiveUID, a.Events[0].ID, int64(len(a.Events)), bytes); err != nil {
			return err
		}
	}
	return nil
}

func insertCount(ctx context.Context, tx sqldb.Tx, project, archive, id string, events, bytes int64) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO archive_counts (project, archive_uid, count_id, events, bytes) VALUES ($1, $2, $3, $4, $5)`,
		project, archive, id, events, bytes)
	return err
}

// Expire implements delivery.Archives. One archive is worked on at a time, so that a transaction is small.
func (s *Store) Expire(ctx context.Context, now time.Time, count string, limit int) (int, error) {
	type archive struct {
		project, uid string
		days         int64
	}
	expiring, err := reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]archive, error) {
		scan := func(row scanner) (a archive, err error) {
			err = row.Scan(&a.project, &a.uid, &a.days)
			return a, err
		}
		return collect(ctx, tx, scan, `SELECT a.project, a.archive_uid, a.retention_days FROM archives a
			WHERE a.retention_days > 0 AND EXISTS (SELECT 1 FROM archived_events e WHERE e.project = a.project
				AND e.archive_uid = a.archive_uid AND e.ingestion_time < CAST($1 AS BIGINT) - a.retention_days * CAST($2 AS BIGINT)) LIMIT 1`,
			micros(now), day.Microseconds())
	})
	if err != nil || len(expiring) == 0 { // most of the time, without a write
		return 0, err
	}
	a := expiring[0]
	return writing(ctx, s, func(ctx context.Context, tx sqldb.Tx) (int, error) {
		sizes, err := s.removeArchived(ctx, tx, a.project, a.uid, now.Add(-time.Duration(a.days)*day), limit)
		if err != nil || len(sizes) == 0 {
			return 0, err
		}
		var bytes int64
		for _, size := range sizes {
			bytes += size
		}
		return len(sizes), insertCount(ctx, tx, a.project, a.uid, count, -int64(len(sizes)), -bytes)
	})
}

// removeArchived removes events of an archive that were accepted before a time, the oldest first, and returns their sizes.
func (s *Store) removeArchived(
	ctx context.Context, tx sqldb.Tx, project, archive string, before time.Time, limit int,
) ([]int64, error) {
	scan := func(row scanner) (size int64, err error) {
		err = row.Scan(&size)
		return size, err
	}
	return collect(ctx, tx, scan, s.claiming(outdated, drop), project, archive, micros(before), limit)
}

// remainsFor is how long a deleted archive is remembered: a call that accepts events at the same time may still put one there.
const remainsFor = 10 * time.Minute

// RemoveRemains implements delivery.Archives.
func (s *Store) RemoveRemains(ctx context.Context, now time.Time, limit int) (int, error) {
	type remains struct {
		project, uid string
		deleted      int64
	}
	scan := func(row scanner) (r remains, err error) {
		err = row.Scan(&r.project, &r.uid, &r.deleted)
		return r, err
	}
	list, err := reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]remains, error) {
		return collect(ctx, tx, scan, `SELECT project, archive_uid, delete_time FROM archive_remains ORDER BY project, archive_uid LIMIT $1`,
			limit)
	})
	if err != nil {
		return 0, err
	}
	for _, r := range list {
		n, err := writing(ctx, s, func(ctx context.Context, tx sqldb.Tx) (int, error) {
			sizes, err := s.removeArchived(ctx, tx, r.project, r.uid, now.Add(day), limit)
			if err != nil || len(sizes) > 0 {
				return len(sizes), err
			}
			if _, err = tx.ExecContext(ctx, `DELETE FROM archive_counts WHERE project = $1 AND archive_uid = $2`, r.project, r.uid); err != nil {
				return 0, err
			}
			_, err = tx.ExecContext(ctx, `DELETE FROM archive_remains WHERE project = $1 AND archive_uid = $2 AND delete_time < $3`,
				r.project, r.uid, micros(now.Add(-remainsFor)))
			return 0, err
		})
		if err != nil || n > 0 {
			return n, err
		}
	}
	return 0, nil
}

// FoldCounts implements delivery.Archives.
func (s *Store) FoldCounts(ctx context.Context, limit int) (int, error) {
	type count struct {
		project, uid  string
		events, bytes int64
	}
	scan := func(row scanner) (c count, err error) {
		err = row.Scan(&c.project, &c.uid, &c.events, &c.bytes)
		return c, err
	}
	some, err := reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]string, error) {
		return collect(ctx, tx, scanText, `SELECT count_id FROM (`+recorded+`) AS first`, 1)
	})
	if err != nil || len(some) == 0 { // most of the time, without a write
		return 0, err
	}
	return writing(ctx, s, func(ctx context.Context, tx sqldb.Tx) (int, error) {
		counts, err := collect(ctx, tx, scan, s.claiming(recorded, takeCounts), limit)
		if err != nil {
			return 0, err
		}
		sums := map[[2]string]count{}
		for _, c := range counts {
			key := [2]string{c.project, c.uid}
			sums[key] = count{events: sums[key].events + c.events, bytes: sums[key].bytes + c.bytes}
		}
		for _, key := range slices.SortedFunc(maps.Keys(sums), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
			sum := sums[key]
			if _, err := tx.ExecContext(ctx, `UPDATE archives SET event_count = event_count + $1, size_bytes = size_bytes + $2
				WHERE project = $3 AND archive_uid = $4`, sum.events, sum.bytes, key[0], key[1]); err != nil {
				return 0, err
			}
		}
		return len(counts), nil
	})
}
