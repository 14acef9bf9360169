package sqldb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

// Migrate brings the schema up to date. fsys holds a directory per engine, "sqlite" and "postgres", with files named
// NNNNN_name.sql in the format of goose, https://pressly.github.io/goose/documentation/annotations/. Several replicas may
// call it at once: one migrates, the others wait for it. Migrations that a newer release has applied are left alone.
func (db *DB) Migrate(ctx context.Context, fsys fs.FS) (err error) {
	if db.life.Err() != nil {
		return ErrClosed
	}
	db.migrating.Lock()
	defer db.migrating.Unlock()
	defer func() {
		if err != nil {
			err = fmt.Errorf("sqldb: migrate: %w", err)
		}
	}()
	dir, err := fs.Sub(fsys, string(db.engine))
	if err != nil {
		return err
	}
	handle, release, err := db.backend.migrationDB()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()

	dialect := database.DialectSQLite3
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger())}
	if pg, ok := db.backend.(*postgresDB); ok {
		dialect = database.DialectPostgres
		locker, err := pg.migrationLocker()
		if err != nil {
			return err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	provider, err := goose.NewProvider(dialect, handle, dir, options...)
	if err != nil {
		return fmt.Errorf("read migrations for %s: %w", db.engine, err)
	}
	// Looking first spares a start without news the lock, which is polled once a second.
	if pending, err := provider.HasPending(ctx); err != nil || !pending {
		return err
	}
	results, err := provider.Up(ctx)
	if partial, ok := errors.AsType[*goose.PartialError](err); ok {
		results = partial.Applied
		err = fmt.Errorf("%s: %w", partial.Failed.Source.Path, partial.Err)
	}
	for _, r := range results {
		db.logger.InfoContext(ctx, "migration applied", "file", r.Source.Path, "duration", r.Duration)
	}
	return err
}
