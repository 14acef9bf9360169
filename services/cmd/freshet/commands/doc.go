// Package commands is the command line: what can be typed, what is printed, and the exit code.
//
// Owns: flags and arguments, tables for people and JSON for programs, the wording of errors on a terminal. The access token and what it
// travels in are only printed when asked for.
//
// Does not own: anything a command does beyond calling the services through the gen clients: settings and serving are package app's,
// manifests package manifest's.
//
// To add a command: a struct with a Run method in a file of its own, and a field in root.
//
// Neighbours: main calls Run; tests call it with other streams.
package commands
