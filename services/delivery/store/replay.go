package store

import (
	"context"
	"strings"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// Places among deliveryColumns.
const (
	eventColumn  = 2
	ruleColumn   = 4
	targetColumn = 5
	sendColumn   = 7 // the encoded target
	ownerColumn  = 9
)

const selectPages = `SELECT project, journal_id, deliveries FROM journal`

// storedPage is a page of the journal as it is read.
type storedPage struct {
	id   journalID
	text string
}

func scanPage(row scanner) (p storedPage, err error) {
	err = row.Scan(&p.id.project, &p.id.id, &p.text)
	return p, err
}

// replay makes the deliveries of pages backlog, but for those that have a row already, removes the pages, and returns how many
// deliveries they had.
func (s *Store) replay(ctx context.Context, tx sqldb.Tx, pages []storedPage) (int, error) {
	total := 0
	ids := make([]journalID, len(pages))
	for i, p := range pages {
		rows, err := unfold(p.text)
		if err != nil {
			return 0, err
		}
		for _, row := range rows {
			row[ownerColumn] = ""
		}
		if _, err := s.insertionFor(rows).run(ctx, tx, rows); err != nil {
			return 0, err
		}
		ids[i] = p.id
		total += len(rows)
	}
	return total, deletePages(ctx, tx, ids)
}

// insertionFor returns the insertion of rows that an earlier release may have written, which knew fewer columns.
func (s *Store) insertionFor(rows [][]any) insertion {
	columns := strings.Split(deliveryColumns, ",")
	if len(rows) == 0 || len(rows[0]) >= len(columns) {
		return s.inserts.unfolded
	}
	return newInsertion(s.db.Engine(), "deliveries", strings.Join(columns[:len(rows[0])], ","), keep)
}

// meant is a target that an event was meant for.
type meant struct{ event, rule, target string }

// meantInJournals returns those of deliveries in the list's project that have no row yet, whoever has them.
func meantInJournals(ctx context.Context, tx sqldb.Tx, list []*delivery.Delivery) (map[meant]bool, error) {
	there := map[meant]bool{}
	if len(list) == 0 {
		return there, nil
	}
	pages, err := collect(ctx, tx, scanPage, selectPages+` WHERE project = $1`, list[0].ID.Project)
	if err != nil {
		return nil, err
	}
	for _, p := range pages {
		rows, err := unfold(p.text)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			event, _ := row[eventColumn].(string)
			rule, _ := row[ruleColumn].(string)
			target, _ := row[targetColumn].(string)
			there[meant{event, rule, target}] = true
		}
	}
	return there, nil
}

// replayOwned replays up to limit pages that an instance has.
func (s *Store) replayOwned(ctx context.Context, tx sqldb.Tx, instance string, limit int) (int, error) {
	pages, err := collect(ctx, tx, scanPage, selectPages+` WHERE owner = $1 LIMIT $2 `+s.db.ForUpdateSkipLocked(), instance, limit)
	if err != nil {
		return 0, err
	}
	return s.replay(ctx, tx, pages)
}

// replayNamed replays an owner's pages that have the ids of deliveries.
func (s *Store) replayNamed(ctx context.Context, tx sqldb.Tx, owner string, ids []delivery.ID) error {
	for _, id := range ids {
		pages, err := collect(ctx, tx, scanPage, selectPages+` WHERE project = $1 AND journal_id = $2 AND owner = $3`,
			id.Project, id.Delivery, owner)
		if err != nil {
			return err
		}
		if _, err := s.replay(ctx, tx, pages); err != nil {
			return err
		}
	}
	return nil
}

// nextOwner finds one owner of pages after the other in the index, without reading the pages.
const nextOwner = `SELECT owner FROM journal WHERE owner > $1 ORDER BY owner LIMIT 1`

// replayOrphans replays up to limit pages whose owner was never recorded as an instance.
func (s *Store) replayOrphans(ctx context.Context, limit int) (int, error) {
	orphan, err := reading(ctx, s, orphanedBy)
	if err != nil || orphan == "" { // most of the time, without a write
		return 0, err
	}
	return writing(ctx, s, func(ctx context.Context, tx sqldb.Tx) (int, error) {
		if known, err := collect(ctx, tx, scanText, selectInstance, orphan); err != nil || len(known) > 0 {
			return 0, err
		}
		return s.replayOwned(ctx, tx, orphan, limit)
	})
}

const selectInstance = `SELECT instance_id FROM instances WHERE instance_id = $1`

// orphanedBy returns an owner of pages that is not recorded as an instance; empty if there is none.
func orphanedBy(ctx context.Context, tx sqldb.Tx) (string, error) {
	for owner := ""; ; {
		next, err := collect(ctx, tx, scanText, nextOwner, owner)
		if err != nil || len(next) == 0 {
			return "", err
		}
		owner = next[0]
		if known, err := collect(ctx, tx, scanText, selectInstance, owner); err != nil || len(known) == 0 {
			return owner, err
		}
	}
}
