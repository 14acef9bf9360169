// Package e2e tests the whole suite from outside, as its users meet it.
//
// Owns: one behaviour suite that runs in several worlds, which are ways to run Freshet: all roles in this process, the real binary as one
// process, the real binary as one process per role with TLS between them; on SQLite and on PostgreSQL. And the tests that
// need a world of their own: killing it under load, replicas, and the search for secrets where they must not be.
//
// Does not own: what a single service promises; its own tests have that, error by error. Here is what only shows when all of it runs.
//
// Neighbours: app is run as it is; the binary is built from cmd/freshet once for a test run; demo/authserver and demo/resourceapi play
// other people's systems.
package e2e
