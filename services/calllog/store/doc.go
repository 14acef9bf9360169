// Package store keeps the call log in SQLite or PostgreSQL.
//
// Owns: the table and the queries. Calls are ordered by their ids, which begin with the time.
//
// Does not own: what is kept and for how long (package calllog), how a database is opened and migrated (internal/sqldb).
//
// Neighbours: storetest holds the rules that this package must keep.
package store
