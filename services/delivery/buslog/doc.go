// Package buslog has the records of an event's way over its bus, as EventBridge's bus logs have them: what the steps are called, at which
// level each is written, and what a record holds.
//
// It does not own when a step happens, which the delivery service knows, nor where records go: it is given a [slog.Logger], which adds
// trace ids and sends them out over OpenTelemetry. Names and fields:
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-logs-schema.html
package buslog
