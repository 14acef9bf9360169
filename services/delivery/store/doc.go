// Package store keeps the delivery service's data in SQLite or PostgreSQL.
//
// It owns the tables, their queries and the JSON in their columns, and implements delivery.Store. Calls of Accept and of Record that
// come while one is under way share the next transaction. Deliveries that an instance has in memory when they are accepted are first kept
// in the journal, a row for each call, and get a row of their own when they have ended, once: see journal. Whatever reads or changes
// rows of deliveries that may be in memory unfolds the journal first. Only what waits in the backlog is in its indexes.
//
// It does not own transactions, which are sqldb's, nor any rule of the domain.
//
// Neighbours: services/delivery declares what it needs; storetest holds every engine to it.
package store
