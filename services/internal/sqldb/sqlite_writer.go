package sqldb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// sqliteWriter serializes the writes of a database and lets those that wait share a commit. While one group is being
// committed, which takes an fsync, the next one queues up: under load groups grow by themselves, and a lone write
// waits for nobody.
type sqliteWriter struct {
	conn     *sqliteConn
	maxGroup int
	queue    chan *sqliteWrite
	stopped  chan struct{}

	mu     sync.RWMutex // held shared while sending to queue, exclusively to close it
	closed bool

	committed chan struct{} // holds one: something was added to the log
	rest      atomic.Bool   // what the checkpointer left of the log is to be copied

	writes, commits atomic.Int64
}

// sqliteWrite is one call of Write. Its function runs on the goroutine of the caller, in turn: the writer hands over the
// transaction, waits for the result, goes on to the next, and after the commit tells everyone.
type sqliteWrite struct {
	state atomic.Int32   // one of the write… constants
	turn  chan *sqliteTx // the transaction, when it is this write's turn
	ran   chan error     // the result of the function
	done  chan error     // the result of the write

	exited bool // the function ended its goroutine; only the writer uses it
}

const (
	writeQueued    int32 = iota
	writeStarted         // the writer gave it its turn or a result
	writeAbandoned       // the caller left before that
)

func startSQLiteWriter(conn *sqliteConn, maxGroup int) *sqliteWriter {
	w := &sqliteWriter{
		conn:      conn,
		maxGroup:  maxGroup,
		queue:     make(chan *sqliteWrite, maxGroup),
		stopped:   make(chan struct{}),
		committed: make(chan struct{}, 1),
	}
	go w.loop()
	return w
}

// stop waits until every queued write is done, and returns the connection.
func (w *sqliteWriter) stop() *sqliteConn {
	w.mu.Lock()
	w.closed = true
	close(w.queue)
	w.mu.Unlock()
	<-w.stopped
	return w.conn
}

func (w *sqliteWriter) stats() Stats {
	return Stats{Writes: w.writes.Load(), Commits: w.commits.Load(), Waiting: len(w.queue)}
}

// write is the caller's side.
func (w *sqliteWriter) write(ctx context.Context, fn txFunc) error {
	j := &sqliteWrite{turn: make(chan *sqliteTx, 1), ran: make(chan error, 1), done: make(chan error, 1)}
	if err := w.enqueue(ctx, j); err != nil {
		return err
	}
	ended := ctx.Done()
	for {
		select {
		case tx := <-j.turn: // a second time if the group had to begin anew
			ended = nil
			j.run(ctx, tx, fn)
		case err := <-j.done:
			return err
		case <-ended:
			if j.state.CompareAndSwap(writeQueued, writeAbandoned) {
				return ctx.Err()
			}
			ended = nil // too late: its turn has come
		}
	}
}

func (w *sqliteWriter) enqueue(ctx context.Context, j *sqliteWrite) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return ErrClosed
	}
	select {
	case w.queue <- j:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run calls fn and reports its result to the writer, also when fn ends the goroutine, as a failing test does.
func (j *sqliteWrite) run(ctx context.Context, tx *sqliteTx, fn txFunc) {
	err := errFnExited
	defer func() { j.ran <- err }()
	err = fn(ctx, tx)
}

// start claims the write for the writer. It returns false if the caller has left.
func (j *sqliteWrite) start() bool {
	return j.state.CompareAndSwap(writeQueued, writeStarted)
}

// loop is the writer's side.
func (w *sqliteWriter) loop() {
	defer close(w.stopped)
	group := make([]*sqliteWrite, 0, w.maxGroup)
	for first := range w.queue {
		group = append(group[:0], first)
		for len(group) < w.maxGroup && len(w.queue) > 0 {
			group = append(group, <-w.queue)
		}
		started := slices.DeleteFunc(group, func(j *sqliteWrite) bool { return !j.start() })
		w.writes.Add(int64(len(started)))
		for rest := started; len(rest) > 0; {
			rest = w.commit(rest)
		}
		clear(group) // do not keep what the callers put into their functions
		w.copyRest()
	}
}

// copyRest copies what the checkpointer left of the log, so that the next commit begins it anew. A failure does no harm: the log goes on,
// and the checkpointer tells.
func (w *sqliteWriter) copyRest() {
	if w.rest.CompareAndSwap(true, false) && w.conn.conn != nil {
		_, _ = w.conn.checkpoint(context.Background(), "PASSIVE")
	}
}

// result is what a write that ran will be told after the commit. Not before, even if it failed: what it saw, and so why it
// failed, may be the uncommitted change of another member of its group.
type result struct {
	write *sqliteWrite
	err   error
}

// commit runs a group in one transaction. It returns the writes it did not come to, because the transaction was lost.
//
// A write that fails has to be undone alone. Savepoints can do that, but cost every write a copy of each page it changes. So the
// group first runs without, and only if a write fails after it changed something does it begin anew with savepoints.
func (w *sqliteWriter) commit(group []*sqliteWrite) (rest []*sqliteWrite) {
	if !w.begin(group) {
		return nil
	}
	results := make([]result, 0, len(group))
	changed := false
	for _, j := range group {
		dirty, err := w.turn(j)
		results = append(results, result{j, err})
		switch {
		case err == nil:
			changed = true
		case dirty && len(group) > 1:
			if w.conn.exec("ROLLBACK") != nil { // SQLite did it itself
				w.conn.close()
			}
			return w.commitCarefully(group)
		}
	}
	w.finish(results, changed)
	return nil
}

// commitCarefully is commit with a savepoint for each write.
func (w *sqliteWriter) commitCarefully(group []*sqliteWrite) (rest []*sqliteWrite) {
	if !w.begin(group) {
		return nil
	}
	results := make([]result, 0, len(group))
	changed := false
	for i, j := range group {
		err, lost := w.guardedTurn(j)
		results = append(results, result{j, err})
		if lost != nil {
			w.conn.close()
			tellLost(results, lost)
			return group[i+1:]
		}
		changed = changed || err == nil
	}
	w.finish(results, changed)
	return nil
}

// begin starts the transaction of a group, or tells everyone why not.
func (w *sqliteWriter) begin(group []*sqliteWrite) bool {
	err := w.conn.begin(context.Background(), "BEGIN IMMEDIATE")
	if err != nil {
		for _, j := range group {
			j.done <- err
		}
	}
	return err == nil
}

// finish ends the transaction and tells everyone.
func (w *sqliteWriter) finish(results []result, changed bool) {
	end := "ROLLBACK"
	if changed {
		end = "COMMIT"
	}
	if err := w.conn.exec(end); err != nil {
		w.conn.close()
		for _, r := range results {
			r.write.done <- fmt.Errorf("sqldb: commit: %w", err)
		}
		return
	}
	if changed {
		w.commits.Add(1)
		select {
		case w.committed <- struct{}{}:
		default:
		}
	}
	for _, r := range results {
		r.write.done <- r.err
	}
}

// turn lets one write run, and tells whether it may have changed something.
func (w *sqliteWriter) turn(j *sqliteWrite) (dirty bool, err error) {
	if j.exited { // there is no goroutine any more that could run it again
		return false, errFnExited
	}
	tx := &sqliteTx{conn: w.conn, writing: true}
	j.turn <- tx
	err = <-j.ran
	j.exited = errors.Is(err, errFnExited)
	dirty = tx.changed || tx.err != nil
	if failed := tx.end(); err == nil {
		err = failed
	}
	return dirty, err
}

// guardedTurn is turn with a savepoint, so that a write that fails is undone alone. The second error tells that SQLite has rolled
// back the transaction as a whole.
func (w *sqliteWriter) guardedTurn(j *sqliteWrite) (err, lost error) {
	if lost = w.conn.exec("SAVEPOINT turn"); lost != nil {
		return lost, lost
	}
	if _, err = w.turn(j); err != nil {
		lost = w.conn.exec("ROLLBACK TO turn")
	}
	if lost == nil {
		lost = w.conn.exec("RELEASE turn")
	}
	return err, lost
}

// tellLost reports that none of the writes happened. The last one caused it and is told its own error; those before it
// did nothing wrong, and their callers may try again.
func tellLost(results []result, lost error) {
	last := len(results) - 1
	for _, r := range results[:last] {
		r.write.done <- fmt.Errorf("%w: %v", errLost, lost) //nolint:errorlint // the cause is another caller's business
	}
	if results[last].err != nil {
		lost = results[last].err
	}
	results[last].write.done <- lost
}
