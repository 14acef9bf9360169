// Package store keeps the delivery service's data in SQLite or PostgreSQL.
//
// It owns the tables, their queries and the JSON in their columns, and implements delivery.Store. Deliveries that go through memory
// cost one insert and one update; only those that wait in the backlog are in its indexes.
//
// It does not own transactions, which are sqldb's, nor any rule of the domain.
//
// Neighbours: services/delivery declares what it needs; storetest holds every engine to it.
package store
