// Package rpc serves freshet.connection.v1: ConnectionService and ProviderService to callers of the API,
// ConnectionInternalService to the token service.
//
// Owns: handlers, field masks, page tokens, and the one translation of the domain's errors to statuses.
//
// Does not own: use cases (package connection), messages to types and back (wire), who may call and whether a request obeys the
// contract's rules (internal/rpcserver, before a handler runs). An update is the exception: its rules hold for the merged connection,
// which only the handler knows.
//
// Neighbours: app registers it on the server of the connection role.
package rpc
