// Package store keeps connections, grants, end users' authorization sessions, jobs and interfaces, and the events of state changes, in SQLite or
// PostgreSQL.
//
// Owns: the tables, the queries, the JSON of settings, and which part of a row is sealed: every secret, in one value
// whose associated data is the resource name and the uid, so that it opens in no other row.
//
// Does not own: what changes follow from what (package connection), how a database is opened and migrated (internal/sqldb).
//
// Neighbours: storetest holds the rules that this package and any other implementation must keep: of connection.Store and GrantStore, and of the Stores
// of connect, grantjobs and interfaces.
package store
