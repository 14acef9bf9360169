package store_test

import (
	"testing"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// TestQueriesUseIndexes: on neither engine does a statement read a whole table, or sort what it read, but where there is little to read.
func TestQueriesUseIndexes(t *testing.T) {
	var lists []string
	for _, filter := range []delivery.Filter{
		{},
		{State: delivery.Pending},
		{State: delivery.Delivering},
		{State: delivery.Dead},
		{State: delivery.Cancelled},
		{Destination: "d"},
		{State: delivery.Dead, Destination: "d"},
		{Bus: "b", Rule: "r"},
		{Event: "e"},
		{From: time.Unix(1, 0), Before: time.Unix(2, 0)},
	} {
		text, _ := store.ListQuery("p", filter, time.Now(), "01M", 50)
		lists = append(lists, text)
	}
	const few, all = "as many rows as there are processes", "it is for all of them, a page at a time"
	sqltest.UseIndexes(t, store.Migrations(), map[string]string{
		"DELETE FROM instances WHERE instance_id <>":          few,
		"SELECT COUNT(*) FROM instances":                      few,
		"SELECT instance_id FROM instances WHERE expire_time": few,
		"SELECT a.project, a.archive_uid, a.retention_days":   "each archive is looked at, and its oldest event found by index",
		"SELECT project, archive_uid, delete_time":            all,
		"WITH claimed AS MATERIALIZED (SELECT c.project, c":   all,
		"SELECT project, cancellation_id":                     all,
		"SELECT x.project, x.destination_id, (SELECT MIN":     "each destination is looked at, and its oldest delivery found by index",
		"SELECT count_id FROM (SELECT c.project":              all,
		"SELECT bus_id, day, COUNT(*)":                        "what is grouped is a page, found by index",
	}, lists...)
}
