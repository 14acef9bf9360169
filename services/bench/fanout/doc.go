// Package fanout is what the watch benchmark compares with: a bare gRPC server that sends each new message to every open stream, and
// does nothing else. It speaks the same contract, so that one client measures both.
//
// Owns: the streams and the newest message. Newest wins: a slow stream skips messages.
//
// Does not own: authorization, storage, telemetry; there is none.
//
// Neighbours: package bench starts it as a process of its own.
package fanout
