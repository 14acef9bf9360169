// Package calls does operations of interfaces: one way to call, whatever provider an account is of.
//
// Owns: freshet.access.v1.CallService: which mapping a call goes by, going from page to page within limits, and what callers are told of an
// API's errors.
//
// Does not own: what a mapping means (internal/mapping), interfaces (the connection service keeps them, and judges who may read them), and
// making calls (package proxy).
//
// Neighbours: app gives it the proxy and the way to the connection service, and registers it; the REST face reaches it as any gRPC service.
package calls
