// Package rpc serves the public services of freshet.delivery.v1.
//
// It owns handlers, conversion between messages and the domain's types, field masks, filters, page tokens, and the one translation of the
// domain's errors to statuses. It does not own use cases (package delivery), nor who may call and whether a request obeys the
// contract's rules (internal/rpcserver, before a handler runs); updates are the exception: their rules hold for the merged resource,
// which only the handler knows.
//
// Neighbours: app registers it on the server of the delivery role.
package rpc
