// Package telemetry sets up logs, traces and metrics for a process.
//
// Owns: the logger (trace ids in every line, nothing secret in any), the
// providers of traces and metrics, what /metrics serves, and OTLP export when
// the standard OTEL_ variables ask for it. Nothing process-wide is set: who
// needs a provider is given it.
//
// Does not own: which spans and metrics there are (each package its own), where
// /metrics is served (gateway), or the level and format of logs (app).
//
// Neighbours: app sets it up first and shuts it down last.
package telemetry
