package sqldb

import (
	"context"
	"database/sql"
	"log/slog"
	"time"
)

const (
	// checkpointPages is how many pages of the log, 16 MB, are copied into the file together: the more, the less often is one that changes
	// often.
	checkpointPages = 4000
	// checkpointPause is the time between looks at the log.
	checkpointPause = 50 * time.Millisecond
)

// sqliteCheckpointer copies the log into the file while the writer goes on, which SQLite by itself does at the end of a commit: the writes
// of that moment would wait for megabytes. What came to the log meanwhile is left to the writer, as the log can begin anew only when all
// of it is copied; that is little.
type sqliteCheckpointer struct {
	db      *sql.DB
	conn    *sqliteConn
	writer  *sqliteWriter
	logger  *slog.Logger
	life    context.Context
	end     context.CancelFunc
	stopped chan struct{}
}

// startSQLiteCheckpointer takes over the handle.
func startSQLiteCheckpointer(db *sql.DB, writer *sqliteWriter, logger *slog.Logger) *sqliteCheckpointer {
	life, end := context.WithCancel(context.Background())
	c := &sqliteCheckpointer{
		db: db, conn: newSQLiteConn(db), writer: writer, logger: logger, life: life, end: end, stopped: make(chan struct{}),
	}
	go c.loop()
	return c
}

// stop waits until no checkpoint is under way.
func (c *sqliteCheckpointer) stop() error {
	c.end()
	<-c.stopped
	c.conn.close()
	return c.db.Close()
}

func (c *sqliteCheckpointer) loop() {
	defer close(c.stopped)
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-c.writer.committed:
		case <-c.life.Done():
			return
		}
		if err := c.look(); err != nil {
			c.conn.close()
			c.logger.WarnContext(c.life, "the log cannot be copied into the database yet", "error", err)
		}
		pause.Reset(checkpointPause)
		select {
		case <-pause.C:
		case <-c.life.Done():
			return
		}
	}
}

// look copies the log if there is enough of it.
func (c *sqliteCheckpointer) look() error {
	ctx := context.Background() // not cut off
	if err := c.conn.open(ctx); err != nil {
		return err
	}
	pages, err := c.conn.checkpoint(ctx, "NOOP")
	if err != nil || pages < checkpointPages {
		return err
	}
	if _, err := c.conn.checkpoint(ctx, "PASSIVE"); err != nil {
		return err
	}
	c.writer.rest.Store(true)
	return nil
}

// checkpoint runs one and returns how many pages of the log are not in the file after it. https://www.sqlite.org/pragma.html#pragma_wal_checkpoint
func (c *sqliteConn) checkpoint(ctx context.Context, mode string) (pages int, err error) {
	var busy, log, copied int
	err = c.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &log, &copied)
	return log - copied, err
}
