package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"modernc.org/sqlite"
)

// sqliteDB is one file: a writer, a pool of readers, and the lock that keeps other processes out.
type sqliteDB struct {
	path    string
	lock    *os.File
	writing *sql.DB
	reading *sql.DB
	writer  *sqliteWriter
	copier  *sqliteCheckpointer
	readers chan *sqliteConn // every reader is either here or in use
}

// OpenSQLite opens the database file at path and creates it, mode 0600, if it is missing, and its directory, mode 0700.
// It fails with ErrInUse while the file is open elsewhere.
//
// In a testing/synctest bubble, open the database in the same bubble.
func OpenSQLite(ctx context.Context, path string, o Options) (*DB, error) {
	o = o.withDefaults()
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("sqldb: open SQLite database: %w", err)
	}
	lock, err := claimFile(path)
	if err != nil {
		return nil, fmt.Errorf("sqldb: open %s: %w", path, err)
	}
	s, err := newSQLiteDB(ctx, path, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sqldb: open %s: %w", path, err), lock.Close())
	}
	s.lock = lock
	return newDB(SQLite, s, o), nil
}

func newSQLiteDB(ctx context.Context, path string, o Options) (*sqliteDB, error) {
	writing, err := openFile(writerDSN(path, 0), 1)
	if err != nil {
		return nil, err
	}
	reading, err := openFile(readerDSN(path), o.MaxReaders)
	if err != nil {
		return nil, errors.Join(err, writing.Close())
	}
	copying, err := openFile(writerDSN(path, 0), 1)
	if err != nil {
		return nil, errors.Join(err, writing.Close(), reading.Close())
	}
	conn := newSQLiteConn(writing)
	if err := conn.open(ctx); err != nil {
		return nil, errors.Join(err, writing.Close(), reading.Close(), copying.Close())
	}
	s := &sqliteDB{
		path:    path,
		writing: writing,
		reading: reading,
		writer:  startSQLiteWriter(conn, o.MaxGroup),
		readers: make(chan *sqliteConn, o.MaxReaders),
	}
	s.copier = startSQLiteCheckpointer(copying, s.writer, o.Logger)
	for range o.MaxReaders {
		s.readers <- newSQLiteConn(reading)
	}
	return s, nil
}

// claimFile creates the file if needed and takes an advisory lock beside it, which the kernel drops when the process
// ends in whatever way. The lock has a file of its own because SQLite uses the locks of the database file.
func claimFile(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrInUse
		}
		return nil, errors.Join(err, lock.Close())
	}
	if err := createFile(path); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// createFile creates the file before SQLite does, because SQLite would follow the umask and gives the mode of this file to
// the -wal and -shm files beside it. The directory is synced so that the new name survives a power loss.
func createFile(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(file.Chmod(0o600), file.Close()); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// writerDSN takes the pages of the log after which a commit copies it into the file itself; 0: never.
func writerDSN(path string, autocheckpoint int) string {
	return fileDSN(path, url.Values{
		"_txlock": {"immediate"},
		"_pragma": {
			"busy_timeout(5000)",
			"journal_mode(WAL)",
			"synchronous(FULL)", // sync the log at every commit: NORMAL may lose acknowledged writes on power loss
			"foreign_keys(1)",
			"journal_size_limit(67108864)", // bytes the log keeps on disk after a burst
			"wal_autocheckpoint(" + strconv.Itoa(autocheckpoint) + ")",
			"cache_size(-32768)", // KiB: the upper pages of every index stay in memory
			"temp_store(MEMORY)", // what savepoints keep
		},
	})
}

func readerDSN(path string) string {
	return fileDSN(path, url.Values{"_pragma": {"busy_timeout(5000)", "query_only(1)"}})
}

func fileDSN(path string, query url.Values) string {
	u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: query.Encode()}
	return u.String()
}

// openFile returns a handle that keeps no idle connections: sqliteConn holds them, and closing one must really close it.
func openFile(dsn string, conns int) (*sql.DB, error) {
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(-1)
	return db, nil
}

func (s *sqliteDB) write(ctx context.Context, fn txFunc) error { return s.writer.write(ctx, fn) }

func (s *sqliteDB) read(ctx context.Context, fn txFunc) error {
	var conn *sqliteConn
	select {
	case c, ok := <-s.readers:
		if !ok {
			return ErrClosed
		}
		conn = c
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { s.readers <- conn }()

	if err := conn.begin(ctx, "BEGIN"); err != nil {
		return err
	}
	tx := &sqliteTx{conn: conn}
	defer func() { // also when fn leaves by runtime.Goexit
		_ = tx.end()
		if conn.exec("ROLLBACK") != nil {
			conn.close() // an interrupted connection may refuse; the next read opens a new one
		}
	}()
	if err := fn(ctx, tx); err != nil {
		return err
	}
	return tx.end()
}

func (s *sqliteDB) migrationDB() (*sql.DB, func() error, error) {
	db, err := openFile(writerDSN(s.path, checkpointPages), 1)
	if err != nil {
		return nil, nil, err
	}
	return db, db.Close, nil
}

func (s *sqliteDB) notify(context.Context, Tx, string, string) error { return nil }

func (s *sqliteDB) listen(ctx context.Context, _ string, _ func(string)) error {
	<-ctx.Done()
	return ctx.Err()
}

func (s *sqliteDB) stats() Stats { return s.writer.stats() }

func (s *sqliteDB) close() error {
	stopped := s.copier.stop()
	conn := s.writer.stop()
	for range cap(s.readers) {
		(<-s.readers).close()
	}
	close(s.readers)
	// Move the log into the file, so that the file alone is a complete copy.
	err := conn.open(context.Background())
	if err == nil {
		err = conn.exec("PRAGMA wal_checkpoint(TRUNCATE)")
	}
	conn.close()
	return errors.Join(stopped, err, s.reading.Close(), s.writing.Close(), s.lock.Close())
}
