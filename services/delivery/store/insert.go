package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// insertion inserts rows of a table, many with one statement. On SQLite the numbers of rows are few, so that the statements stay prepared.
// On PostgreSQL, where each statement is a round trip and each argument is told apart, a statement has any number of rows and an argument
// for each column.
type insertion struct {
	table, columns string
	conflict       string // what follows the rows, for one that is there already
	byColumn       bool
	texts          []rowsText
}

// rowsText is a statement for a number of rows.
type rowsText struct {
	rows int
	text string
}

// maxColumn bounds the rows of one statement whose arguments are columns.
const maxColumn = 512

// newInsertion takes the columns' names. What follows the rows is for one that is there already.
func newInsertion(engine sqldb.Engine, table, columns, conflict string) insertion {
	i := insertion{table: table, columns: columns, conflict: conflict, byColumn: engine == sqldb.Postgres}
	if i.byColumn {
		return i
	}
	width := strings.Count(columns, ",") + 1
	for _, rows := range []int{32, 8, 1} {
		values := make([]string, rows)
		for row := range values {
			values[row] = "(" + placeholders(1+row*width, width) + ")"
		}
		text := "INSERT INTO " + table + " (" + columns + ") VALUES " + strings.Join(values, ", ") + conflict
		i.texts = append(i.texts, rowsText{rows, text})
	}
	return i
}

// run inserts all rows and returns how many were not there before. The values of a column are all of one type: string, int, int64 or *int64.
func (i insertion) run(ctx context.Context, tx sqldb.Tx, rows [][]any) (inserted int, err error) {
	if i.byColumn {
		return i.runByColumn(ctx, tx, rows)
	}
	var args []any
	for _, statement := range i.texts {
		for len(rows) >= statement.rows {
			args = args[:0]
			for _, row := range rows[:statement.rows] {
				args = append(args, row...)
			}
			n, err := affected(ctx, tx, statement.text, args...)
			if err != nil {
				return inserted, err
			}
			inserted += n
			rows = rows[statement.rows:]
		}
	}
	return inserted, nil
}

func (i insertion) runByColumn(ctx context.Context, tx sqldb.Tx, rows [][]any) (inserted int, err error) {
	for some := range slices.Chunk(rows, maxColumn) {
		args := make([]any, len(some[0]))
		types := make([]string, len(args))
		for at := range args {
			values, kind, err := column(some, at)
			if err != nil {
				return inserted, fmt.Errorf("store: column %d of %s: %w", at+1, i.table, err)
			}
			args[at], types[at] = values, "$"+strconv.Itoa(at+1)+"::"+kind
		}
		text := "INSERT INTO " + i.table + " (" + i.columns + ") SELECT * FROM unnest(" + strings.Join(types, ", ") + ")" + i.conflict //nolint:unqueryvet // these are the columns
		n, err := affected(ctx, tx, text, args...)
		if err != nil {
			return inserted, err
		}
		inserted += n
	}
	return inserted, nil
}

// column returns the values that rows have at a place as PostgreSQL's driver takes an array, and the array's type.
func column(rows [][]any, at int) (values any, kind string, err error) {
	switch rows[0][at].(type) {
	case string:
		values, err = collectColumn(rows, at, func(v any) (string, bool) { s, ok := v.(string); return s, ok })
		return values, "text[]", err
	case *int64:
		values, err = collectColumn(rows, at, func(v any) (*int64, bool) { n, ok := v.(*int64); return n, ok })
	default:
		values, err = collectColumn(rows, at, func(v any) (int64, bool) {
			if n, ok := v.(int); ok {
				return int64(n), true
			}
			n, ok := v.(int64)
			return n, ok
		})
	}
	return values, "bigint[]", err
}

func collectColumn[V any](rows [][]any, at int, value func(any) (V, bool)) ([]V, error) {
	list := make([]V, len(rows))
	for i, row := range rows {
		var ok bool
		if list[i], ok = value(row[at]); !ok {
			return nil, fmt.Errorf("a value of type %T", row[at])
		}
	}
	return list, nil
}

const (
	eventColumns = `project, event_id, bus_id, source, detail_type, detail, resources, time, ingestion_time, traceparent, replay`

	deliveryColumns = `project, delivery_id, event_id, bus_id, rule_id, target_id, destination_id, target, state, owner, create_time,
		next_attempt, expire_time, end_time, max_age, attempts, charged, auth_forgiven, error_code, error_message, condition, payload,
		redrives`

	attemptColumns = `project, delivery_id, number, start_time, duration, status_code, error_class, message, token_generation,
		retry_after, excerpt, trace_id, exchange, batch_id, batch_size`

	keep = ` ON CONFLICT DO NOTHING`
	// hold changes nothing either, but locks the row, so that nobody removes it until its new deliveries are there.
	hold = ` ON CONFLICT (project, event_id) DO UPDATE SET event_id = excluded.event_id`
)

// resourcesColumn is the index of that column in a row of eventColumns.
const resourcesColumn = 6

// insertions are the statements of the tables that grow with every event.
type insertions struct{ events, eventsNew, eventsOnce, deliveries, unfolded, attempts, pages insertion }

func newInsertions(engine sqldb.Engine) insertions {
	return insertions{
		events:     newInsertion(engine, "events", eventColumns, ""),
		eventsNew:  newInsertion(engine, "events", eventColumns, keep),
		eventsOnce: newInsertion(engine, "events", eventColumns, hold),
		deliveries: newInsertion(engine, "deliveries", deliveryColumns, ""),
		unfolded:   newInsertion(engine, "deliveries", deliveryColumns, keep),
		attempts:   newInsertion(engine, "attempts", attemptColumns, keep),
		pages:      newInsertion(engine, "journal", `project, journal_id, owner, deliveries`, ""),
	}
}
