package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

const archiveColumns = `project, bus_id, archive_id, archive_uid, description, event_pattern, retention_days, disabled, event_count,
	size_bytes, create_time, update_time, etag`

// selectArchives reads archives with what their counts lack.
const selectArchives = `SELECT a.project, a.bus_id, a.archive_id, a.archive_uid, a.description, a.event_pattern, a.retention_days, a.disabled,
	a.event_count + COALESCE((SELECT SUM(c.events) FROM archive_counts c WHERE c.project = a.project AND c.archive_uid = a.archive_uid), 0),
	a.size_bytes + COALESCE((SELECT SUM(c.bytes) FROM archive_counts c WHERE c.project = a.project AND c.archive_uid = a.archive_uid), 0),
	a.create_time, a.update_time, a.etag FROM archives a`

const day = 24 * time.Hour

func scanArchive(row scanner) (delivery.Archive, error) {
	var a delivery.Archive
	var days, disabled, created, updated int64
	err := row.Scan(&a.Name.Project, &a.Name.Bus, &a.Name.Archive, &a.UID, &a.Description, &a.EventPattern, &days, &disabled,
		&a.Events, &a.Bytes, &created, &updated, &a.Etag)
	a.Retention, a.Disabled = time.Duration(days)*day, disabled != 0
	a.CreateTime, a.UpdateTime = sqldb.Time(created), sqldb.Time(updated)
	return a, err
}

// Archive implements delivery.Archives.
func (s *Store) Archive(ctx context.Context, name delivery.ArchiveName) (delivery.Archive, error) {
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) (delivery.Archive, error) {
		return archive(ctx, tx, name)
	})
}

func archive(ctx context.Context, tx sqldb.Tx, name delivery.ArchiveName) (delivery.Archive, error) {
	a, err := scanArchive(tx.QueryRowContext(ctx, selectArchives+` WHERE a.project = $1 AND a.bus_id = $2 AND a.archive_id = $3`,
		name.Project, name.Bus, name.Archive))
	return a, notFound(err, delivery.ErrArchiveNotFound, name)
}

// ListArchives implements delivery.Archives.
func (s *Store) ListArchives(ctx context.Context, name delivery.BusName, after string, limit int) ([]delivery.Archive, error) {
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]delivery.Archive, error) {
		if _, err := bus(ctx, tx, name); err != nil {
			return nil, err
		}
		return collect(ctx, tx, scanArchive, selectArchives+` WHERE a.project = $1 AND a.bus_id = $2 AND a.archive_id > $3
			ORDER BY a.archive_id LIMIT $4`, name.Project, name.Bus, after, limit)
	})
}

func enabledArchives(ctx context.Context, tx sqldb.Tx, name delivery.BusName) ([]delivery.Archive, error) {
	return collect(ctx, tx, scanArchive, `SELECT `+archiveColumns+` FROM archives
		WHERE project = $1 AND bus_id = $2 AND disabled = 0 ORDER BY archive_id`, name.Project, name.Bus)
}

// CreateArchive implements delivery.Archives.
func (s *Store) CreateArchive(ctx context.Context, a delivery.Archive) error {
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := newVersion(ctx, tx, a.Name.On(), a.Etag); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO archives (`+archiveColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, $9, $10, $11)`, a.Name.Project, a.Name.Bus, a.Name.Archive, a.UID, a.Description,
			a.EventPattern, int64(a.Retention/day), number(a.Disabled), micros(a.CreateTime), micros(a.UpdateTime), a.Etag)
		return exists(err, a.Name)
	})
}

// ReplaceArchive implements delivery.Archives.
func (s *Store) ReplaceArchive(ctx context.Context, a delivery.Archive, etag string) error {
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := newVersion(ctx, tx, a.Name.On(), a.Etag); err != nil {
			return err
		}
		n, err := affected(ctx, tx, `UPDATE archives SET description = $1, event_pattern = $2, retention_days = $3, disabled = $4,
			update_time = $5, etag = $6 WHERE project = $7 AND bus_id = $8 AND archive_id = $9 AND etag = $10`,
			a.Description, a.EventPattern, int64(a.Retention/day), number(a.Disabled), micros(a.UpdateTime), a.Etag,
			a.Name.Project, a.Name.Bus, a.Name.Archive, etag)
		if err != nil || n == 1 {
			return err
		}
		_, err = archive(ctx, tx, a.Name)
		return errors.Join(err, mismatch(n, a.Name))
	})
}

// DeleteArchive implements delivery.Archives.
func (s *Store) DeleteArchive(ctx context.Context, name delivery.ArchiveName, etag, version string, now time.Time) error {
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		stored, err := archive(ctx, tx, name)
		if err != nil {
			return err
		}
		if etag != "" && etag != stored.Etag {
			return fmt.Errorf("%s: %w", name, delivery.ErrEtagMismatch)
		}
		if err := newVersion(ctx, tx, name.On(), version); err != nil {
			return err
		}
		n, err := affected(ctx, tx, `DELETE FROM archives WHERE project = $1 AND bus_id = $2 AND archive_id = $3 AND etag = $4`,
			name.Project, name.Bus, name.Archive, stored.Etag)
		if err != nil || n == 0 {
			return errors.Join(err, mismatch(n, name))
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO archive_remains (project, archive_uid, delete_time) VALUES ($1, $2, $3)`,
			name.Project, stored.UID, micros(now))
		return err
	})
}
