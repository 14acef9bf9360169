// Package probe examines, step by step, what a connection's next token request would meet.
//
// Owns: the steps from the stored settings to an open TLS connection, and what is said of each.
//
// Does not own: the token request itself and the judgement of its answer, which are the token service's (Trier), so that a test
// finds what a refresh would find; the egress rule (internal/egress), through which every step here goes.
//
// Neighbours: connection.Probe is implemented here; tokens implements [Trier].
package probe
