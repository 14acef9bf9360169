// Package sqltest gives tests real databases: SQLite files, and a PostgreSQL server of their own.
//
// It owns finding and running the server, and a fresh schema or database per test. It does not own fixtures.
//
// The server is private to the test binary, starts with the first test that needs it, in about a second, and listens on a
// unix socket only. A package that uses it should have
//
//	func TestMain(m *testing.M) { os.Exit(sqltest.Main(m)) }
//
// or goleak.VerifyTestMain(sqltest.Wrap(m)), which stop the server. Without that the kernel stops it together with the test
// binary, and the next run removes its directory.
//
// Environment: FRESHET_TEST_POSTGRES, the DSN of a server to use instead, whose user may create databases;
// FRESHET_TEST_POSTGRES_FSYNC=on makes the private server durable, for crash tests and honest benchmarks.
//
// Neighbours: services/internal/sqldb; the conformance suites and end-to-end tests are the users. In a testing/synctest
// bubble only SQLite works: waiting for a socket keeps the bubble's clock from moving.
package sqltest
