package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// journal knows the deliveries of this process that have no row of their own yet. Most end with their first attempt, soon after they
// were accepted: they then cost one insert instead of an insert, an update and the indexes of what is unfinished. Until then, one row
// for all deliveries of a PutEvents keeps them, from which they are unfolded: when they take long, when someone asks, or when the
// process has died.
type journal struct {
	writing sync.Mutex // held while rows are written that are or become known here

	mu   sync.Mutex
	open map[delivery.ID]*folded
	done []journalID // pages that have nothing open any more
}

// page is a row of the journal.
type page struct {
	id   journalID
	open int
}

type journalID struct{ project, id string }

// folded is a delivery without a row.
type folded struct {
	page *page
	row  []any
	at   time.Time // of acceptance
}

// fold encodes rows for a page. Numbers are int64 and the rest is text, so that JSON keeps both.
func fold(rows [][]any) (string, error) { return encode(rows) }

func unfold(text string) ([][]any, error) {
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.UseNumber()
	var rows [][]any
	if err := decoder.Decode(&rows); err != nil {
		return nil, fmt.Errorf("store: unreadable page of the journal: %w", err)
	}
	for _, row := range rows {
		for i, value := range row {
			if n, ok := value.(json.Number); ok {
				whole, err := n.Int64()
				if err != nil {
					return nil, fmt.Errorf("store: unreadable page of the journal: %w", err)
				}
				row[i] = whole
			}
		}
	}
	return rows, nil
}

// add notes what is durable now.
func (j *journal) add(id journalID, deliveries []*delivery.Delivery, rows [][]any) {
	p := &page{id: id, open: len(deliveries)}
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, d := range deliveries {
		j.open[d.ID] = &folded{page: p, row: rows[i], at: d.CreateTime}
	}
}

// owner returns the instance that has a delivery without a row; empty: it has a row.
func (j *journal) owner(id delivery.ID) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	f := j.open[id]
	if f == nil {
		return ""
	}
	owner, _ := f.row[ownerColumn].(string)
	return owner
}

// target returns the encoded target of a delivery without a row, and whether it is one.
func (j *journal) target(id delivery.ID) (string, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f := j.open[id]
	if f == nil {
		return "", false
	}
	target, _ := f.row[sendColumn].(string)
	return target, true
}

// close notes that deliveries have rows now.
func (j *journal) close(ids []delivery.ID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, id := range ids {
		f := j.open[id]
		if f == nil {
			continue
		}
		delete(j.open, id)
		if f.page.open--; f.page.open == 0 {
			j.done = append(j.done, f.page.id)
		}
	}
}

// before returns what was accepted before that time and has no row, oldest first.
func (j *journal) before(at time.Time) (ids []delivery.ID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for id, f := range j.open {
		if f.at.Before(at) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b delivery.ID) int { return strings.Compare(a.Delivery, b.Delivery) })
	return ids
}

// rows returns the rows of those of the ids that have none, and some pages that have nothing open.
func (j *journal) rows(ids []delivery.ID) (rows [][]any, done []journalID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, id := range ids {
		if f := j.open[id]; f != nil {
			rows = append(rows, f.row)
		}
	}
	return rows, slices.Clone(j.done[:min(len(j.done), unfoldAtOnce)])
}

// removed forgets pages that were deleted.
func (j *journal) removed(n int) {
	j.mu.Lock()
	j.done = j.done[n:]
	j.mu.Unlock()
}

func (j *journal) len() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.open) + len(j.done)
}

// unfoldAtOnce is how many rows one transaction unfolds: others that write wait for it.
const unfoldAtOnce = 256

// Unfold implements delivery.Journal.
func (s *Store) Unfold(ctx context.Context, before time.Time) (left int, err error) {
	if err := s.unfoldThese(ctx, s.journal.before(before)); err != nil {
		return 0, err
	}
	for { // what became empty
		done, err := s.unfoldSome(ctx, nil)
		if err != nil || done < unfoldAtOnce {
			return s.journal.len(), err
		}
	}
}

// unfoldThese gives those of the deliveries rows that have none, for those who are about to read or change them.
func (s *Store) unfoldThese(ctx context.Context, ids []delivery.ID) error {
	for chunk := range slices.Chunk(ids, unfoldAtOnce) {
		if _, err := s.unfoldSome(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}

// unfoldAll gives every delivery of this process a row.
func (s *Store) unfoldAll(ctx context.Context) error {
	return s.unfoldThese(ctx, s.journal.before(endOfTime()))
}

// endOfTime is later than everything.
func endOfTime() time.Time { return time.Unix(1<<40, 0) }

// unfoldSome does so in one transaction, which also removes pages, and returns how many of these.
func (s *Store) unfoldSome(ctx context.Context, ids []delivery.ID) (pages int, err error) {
	s.journal.writing.Lock()
	defer s.journal.writing.Unlock()
	rows, done := s.journal.rows(ids)
	if len(rows)+len(done) == 0 {
		return 0, nil
	}
	err = s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if _, err := s.inserts.unfolded.run(ctx, tx, rows); err != nil {
			return err
		}
		return deletePages(ctx, tx, done)
	})
	if err != nil {
		return 0, err
	}
	s.journal.close(ids)
	s.journal.removed(len(done))
	return len(done), nil
}

// deletePages removes pages, whose deliveries all have rows.
func deletePages(ctx context.Context, tx sqldb.Tx, ids []journalID) error {
	for len(ids) > 0 {
		project := ids[0].project
		args := []any{project}
		for len(args) <= chunk && len(ids) > 0 && ids[0].project == project {
			args = append(args, ids[0].id)
			ids = ids[1:]
		}
		for len(args) <= chunk {
			args = append(args, "")
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM journal WHERE project = $1 AND journal_id IN (`+placeholders(2, chunk)+`)`,
			args...); err != nil {
			return err
		}
	}
	return nil
}
