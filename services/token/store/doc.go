// Package store keeps tokens and the journal of their rotations in SQL.
//
// Owns: the tables tokens and rotations, their migrations, every query on them,
// and what is sealed: one blob per token, bound to its name, connection and
// generation, and the raw answer of a rotation that is not yet applied.
//
// Does not own: any decision about a token. Its one write, Update, reads a row,
// lets package token decide, and writes what it left.
//
// Neighbours: package token declares the interface; token/storetest is what an
// implementation must pass; services/internal/sqldb runs the queries.
package store
