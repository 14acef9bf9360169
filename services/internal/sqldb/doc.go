// Package sqldb runs one text per query on SQLite or PostgreSQL.
//
// It owns opening and closing a database, transactions ([DB.Write], [DB.Read]), migrations, change notification between
// replicas ([DB.Notify], [DB.Listen]), and telling errors apart. It does not own any table or query: those are in the
// stores of the services, which write them with $1, $2 … placeholders for both engines.
//
// The engines differ in how they are fast. SQLite has one writer, so concurrent writes are collected into groups that
// share one transaction and one fsync. PostgreSQL runs writes concurrently at READ COMMITTED, so a store compares and
// swaps, or locks rows, where it must not overwrite a change of another replica.
//
// The engines are held to one behaviour where they would differ: a statement that fails ends its transaction, and
// no statement starts while the rows of another are open.
//
// Neighbours: services/internal/sqltest opens databases for tests; services/*/store are the users.
package sqldb
