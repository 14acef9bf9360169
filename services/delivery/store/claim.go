package store

// Texts that select rows to claim, and those that claim them: see claiming. Of each pair the second reads `claimed`.
const (
	claimable = `SELECT project, delivery_id FROM deliveries
		WHERE project = $2 AND destination_id = $3 AND state = 1 AND owner = '' AND next_attempt <= $4
		ORDER BY next_attempt, delivery_id LIMIT $5 `
	overdue = `SELECT project, delivery_id FROM deliveries WHERE state = 1 AND owner = '' AND expire_time <= $2
		ORDER BY expire_time LIMIT $3 `
	take = `UPDATE deliveries SET owner = $1 WHERE (project, delivery_id) IN (SELECT project, delivery_id FROM claimed)
		RETURNING project, delivery_id`

	ownedBy  = `SELECT project, delivery_id FROM deliveries WHERE state = 1 AND owner <> '' AND owner = $1 LIMIT $2 `
	orphaned = `SELECT project, delivery_id FROM deliveries
		WHERE state = 1 AND owner <> '' AND owner NOT IN (SELECT instance_id FROM instances) LIMIT $1 `
	free = `UPDATE deliveries SET owner = '' WHERE (project, delivery_id) IN (SELECT project, delivery_id FROM claimed)`

	abandoned = `SELECT project, kind, job_id FROM jobs WHERE state IN (1, 2, 3)
		AND (owner = '' OR owner NOT IN (SELECT instance_id FROM instances))
		AND EXISTS (SELECT 1 FROM instances WHERE instance_id = $1) ORDER BY project, kind, job_id LIMIT $2 `
	drive = `UPDATE jobs SET owner = $1, fence = fence + 1
		WHERE (project, kind, job_id) IN (SELECT project, kind, job_id FROM claimed) RETURNING ` + jobColumns

	recorded = `SELECT c.project, c.archive_uid, c.count_id FROM archive_counts c
		WHERE EXISTS (SELECT 1 FROM archives a WHERE a.project = c.project AND a.archive_uid = c.archive_uid) LIMIT $1 `
	takeCounts = `DELETE FROM archive_counts WHERE (project, archive_uid, count_id) IN (SELECT project, archive_uid, count_id FROM claimed)
		RETURNING project, archive_uid, events, bytes`

	outdated = `SELECT ingestion_time, event_id FROM archived_events WHERE project = $1 AND archive_uid = $2 AND ingestion_time < $3
		ORDER BY ingestion_time, event_id LIMIT $4 `
	drop = `DELETE FROM archived_events WHERE project = $1 AND archive_uid = $2
		AND (ingestion_time, event_id) IN (SELECT ingestion_time, event_id FROM claimed) RETURNING size_bytes`

	// Keys that are free again. Those that someone is claiming stay: that one renews them.
	expired    = `SELECT project, bus_id, dedup_key FROM deduplications WHERE expire_time <= $1 ORDER BY expire_time LIMIT $2 `
	forgetKeys = `DELETE FROM deduplications WHERE (project, bus_id, dedup_key) IN (SELECT project, bus_id, dedup_key FROM claimed)`
)

// claiming returns the text of a statement on rows that selection locks, which it reads as `claimed`. Materialized: PostgreSQL may run
// a locking subquery several times, and would lock as many rows as its limit says each time.
func (s *Store) claiming(selection, statement string) string {
	return `WITH claimed AS MATERIALIZED (` + selection + s.db.ForUpdateSkipLocked() + `) ` + statement
}
