// Package store keeps connections and the events of their state changes in SQLite or PostgreSQL.
//
// Owns: the tables, the queries, the JSON of settings, and which part of a connection is sealed: every secret, in one value per connection
// whose associated data is the resource name and the uid, so that it opens in no other row.
//
// Does not own: what changes follow from what (package connection), how a database is opened and migrated (internal/sqldb).
//
// Neighbours: storetest holds the rules that this package and any other implementation of connection.Store must keep.
package store
