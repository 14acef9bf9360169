package store

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// eventBytes is what an event counts. It reads no long text: both engines keep its length beside it.
const eventBytes = `octet_length(source) + octet_length(detail_type) + octet_length(detail) + octet_length(resources)`

// unmeasured adds up the next events of a project by bus and day.
const unmeasured = `SELECT bus_id, day, COUNT(*), SUM(bytes), MAX(event_id) FROM (
	SELECT bus_id, event_id, ingestion_time / 86400000000 AS day, ` + eventBytes + ` AS bytes FROM events
	WHERE project = $1 AND event_id > $2 AND event_id < $3 ORDER BY event_id LIMIT $4) AS page GROUP BY bus_id, day`

// settledEvents reads events of all buses of a project, and tells which are of one bus and have nothing that is to be kept whatever the size.
const settledEvents = `SELECT e.event_id, CASE WHEN e.bus_id = $1 AND NOT EXISTS (
		SELECT 1 FROM deliveries d WHERE d.project = e.project AND d.event_id = e.event_id AND (d.state = 1 OR d.state = 4 AND d.end_time > $2)
	) THEN 1 ELSE 0 END
	FROM events e WHERE e.project = $3 AND e.event_id > $4 AND e.event_id < $5 ORDER BY e.event_id LIMIT $6`

const measuredUntil = `SELECT last_event FROM history_measured WHERE project = $1 `

// busDay names a row of history_sizes of a project.
type busDay struct {
	bus string
	day int64
}

// amounts are changes of a project's rows of history_sizes.
type amounts map[busDay]amount

type amount struct{ events, bytes int64 }

func (s amounts) add(k busDay, a amount) {
	s[k] = amount{s[k].events + a.events, s[k].bytes + a.bytes}
}

// apply changes the rows, in one order, so that who changes several does not meet another half-way.
func (s amounts) apply(ctx context.Context, tx sqldb.Tx, project string) error {
	for _, k := range slices.SortedFunc(maps.Keys(s), func(a, b busDay) int {
		return cmp.Or(cmp.Compare(a.bus, b.bus), cmp.Compare(a.day, b.day))
	}) {
		if _, err := tx.ExecContext(ctx, `INSERT INTO history_sizes (project, bus_id, day, events, bytes) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (project, bus_id, day) DO UPDATE SET events = history_sizes.events + excluded.events,
			bytes = history_sizes.bytes + excluded.bytes`, project, k.bus, k.day, s[k].events, s[k].bytes); err != nil {
			return err
		}
		if s[k].events > 0 {
			continue
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM history_sizes WHERE project = $1 AND bus_id = $2 AND day = $3 AND events <= 0`,
			project, k.bus, k.day); err != nil {
			return err
		}
	}
	return nil
}

// measured returns up to which event a project's are counted in history_sizes.
func measured(ctx context.Context, tx sqldb.Tx, project, lock string) (last string, known bool, err error) {
	rows, err := collect(ctx, tx, scanText, measuredUntil+lock, project)
	if err != nil || len(rows) == 0 {
		return "", false, err
	}
	return rows[0], true, nil
}

// Measure implements delivery.Sizes. What it reads, nobody removes meanwhile, as it is not measured yet.
func (s *Store) Measure(ctx context.Context, project string, before time.Time, limit int) (int, error) {
	type part struct {
		busDay
		amount
		last string
	}
	scan := func(row scanner) (p part, err error) {
		err = row.Scan(&p.bus, &p.day, &p.events, &p.bytes, &p.last)
		return p, err
	}
	var from string
	var known bool
	parts, err := reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) (_ []part, err error) {
		if from, known, err = measured(ctx, tx, project, ""); err != nil {
			return nil, err
		}
		return collect(ctx, tx, scan, unmeasured, project, from, idAt(before), limit)
	})
	if err != nil || len(parts) == 0 {
		return 0, err
	}
	sums, count, last := amounts{}, int64(0), ""
	for _, p := range parts {
		sums.add(p.busDay, p.amount)
		count += p.events
		last = max(last, p.last)
	}
	return writing(ctx, s, func(ctx context.Context, tx sqldb.Tx) (int, error) {
		text, args := `UPDATE history_measured SET last_event = $1 WHERE project = $2 AND last_event = $3`, []any{last, project, from}
		if !known {
			text, args = `INSERT INTO history_measured (project, last_event) VALUES ($1, $2) ON CONFLICT DO NOTHING`, []any{project, last}
		}
		if n, err := affected(ctx, tx, text, args...); err != nil || n == 0 { // another instance did it
			return 0, err
		}
		return int(count), sums.apply(ctx, tx, project)
	})
}

// measureLate counts events that came into the history although later ones were measured.
func measureLate(ctx context.Context, tx sqldb.Tx, rows [][]any, events []*delivery.Event) error {
	if len(events) == 0 {
		return nil
	}
	project := events[0].Project
	last, known, err := measured(ctx, tx, project, "")
	if err != nil || !known {
		return err
	}
	sums := amounts{}
	for i, e := range events {
		if e.ID <= last {
			resources, _ := rows[i][resourcesColumn].(string)
			bytes := len(e.Source) + len(e.DetailType) + len(e.Detail) + len(resources)
			sums.add(busDay{e.Bus, micros(e.IngestionTime) / day.Microseconds()}, amount{1, int64(bytes)})
		}
	}
	return sums.apply(ctx, tx, project)
}

// HistorySize implements delivery.Sizes.
func (s *Store) HistorySize(ctx context.Context, project string) (int64, error) {
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) (bytes int64, err error) {
		err = tx.QueryRowContext(ctx, `SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM history_sizes WHERE project = $1`, project).Scan(&bytes)
		return bytes, err
	})
}

// sizeOf returns how much a bus has, and of which day the oldest is.
func sizeOf(ctx context.Context, tx sqldb.Tx, name delivery.BusName) (bytes int64, oldest time.Time, err error) {
	var first int64
	err = tx.QueryRowContext(ctx, `SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT), COALESCE(MIN(day), 0) FROM history_sizes
		WHERE project = $1 AND bus_id = $2`, name.Project, name.Bus).Scan(&bytes, &first)
	return bytes, sqldb.Time(first * day.Microseconds()), err
}

// BusSize implements delivery.Sizes.
func (s *Store) BusSize(ctx context.Context, name delivery.BusName) (bytes int64, oldest time.Time, err error) {
	_, err = reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) (none struct{}, err error) {
		bytes, oldest, err = sizeOf(ctx, tx, name)
		return none, err
	})
	return bytes, oldest, err
}

// SettledEvents implements delivery.Sizes.
func (s *Store) SettledEvents(
	ctx context.Context, name delivery.BusName, after, before string, dead time.Time, limit int,
) (ids []string, last string, err error) {
	type event struct {
		id      string
		settled int64
	}
	scan := func(row scanner) (e event, err error) {
		err = row.Scan(&e.id, &e.settled)
		return e, err
	}
	rows, err := reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]event, error) {
		return collect(ctx, tx, scan, settledEvents, name.Bus, micros(dead), name.Project, after, before, limit)
	})
	for _, row := range rows {
		if last = row.id; row.settled != 0 {
			ids = append(ids, row.id)
		}
	}
	return ids, last, err
}

// Shed implements delivery.Sizes. The project's row of history_measured is the lock against another instance.
func (s *Store) Shed(
	ctx context.Context, name delivery.BusName, events []string, maxBytes int64, now, dead time.Time,
) (total delivery.Trimmed, above bool, err error) {
	err = s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		total = delivery.Trimmed{}
		_, mine, err := measured(ctx, tx, name.Project, s.db.ForUpdateSkipLocked())
		if err != nil || !mine {
			return err
		}
		size, _, err := sizeOf(ctx, tx, name)
		if err != nil {
			return err
		}
		t, err := s.newTrimming(ctx, tx, name.Project, now, dead)
		if err != nil {
			return err
		}
		for _, event := range events {
			if size-t.total.Bytes <= maxBytes {
				break
			}
			if err := t.event(ctx, tx, event); err != nil {
				return err
			}
		}
		total, above = t.total, size-t.total.Bytes > maxBytes
		return t.sums.apply(ctx, tx, name.Project)
	})
	return total, above, err
}
