package store

import (
	"context"
	"strings"

	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// insertion inserts rows of a table, many with one statement. The numbers of rows are few, so that the statements stay prepared.
type insertion []struct {
	rows int
	text string
}

// newInsertion takes the columns' names. What follows the values is for a row that is there already.
func newInsertion(table, columns, conflict string) insertion {
	width := strings.Count(columns, ",") + 1
	var i insertion
	for _, rows := range []int{32, 8, 1} {
		values := make([]string, rows)
		for row := range values {
			values[row] = "(" + placeholders(1+row*width, width) + ")"
		}
		text := "INSERT INTO " + table + " (" + columns + ") VALUES " + strings.Join(values, ", ") + conflict
		i = append(i, struct {
			rows int
			text string
		}{rows, text})
	}
	return i
}

// run inserts all rows and returns how many were not there before.
func (i insertion) run(ctx context.Context, tx sqldb.Tx, rows [][]any) (inserted int, err error) {
	var args []any
	for _, statement := range i {
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

func newInsertions() insertions {
	return insertions{
		events:     newInsertion("events", eventColumns, ""),
		eventsNew:  newInsertion("events", eventColumns, keep),
		eventsOnce: newInsertion("events", eventColumns, hold),
		deliveries: newInsertion("deliveries", deliveryColumns, ""),
		unfolded:   newInsertion("deliveries", deliveryColumns, keep),
		attempts:   newInsertion("attempts", attemptColumns, keep),
		pages:      newInsertion("journal", `project, journal_id, owner, deliveries`, ""),
	}
}
