// Package app is the composition root: it reads the configuration, builds the roles in their order, connects them, runs them, and stops
// them in reverse.
//
// Owns: Config with its defaults and sources (defaults < file < environment < flags), the table of roles, how a role reaches another
// (in memory when both run here, TCP otherwise), the key files of the data directory, readiness.
//
// Does not own: anything a service does. It is the only package that imports all of them, and with its commands the only one that
// reads files of settings and the environment.
//
// Neighbours: cmd/freshet calls Run; e2e and demo call it with another context and configuration.
package app
