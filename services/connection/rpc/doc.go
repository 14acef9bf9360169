// Package rpc serves freshet.connection.v1: connections, providers, interfaces, grants and their jobs, end users and their authorizations to callers
// of the API, ConnectionInternalService to the token service, and ConnectInternalService to the gateway.
//
// Owns: handlers, field masks, page tokens, and the one translation of the domain's errors to statuses.
//
// Does not own: use cases (packages connection, connect, grantjobs and interfaces), messages to types and back (wire), who may call and whether a request obeys the
// contract's rules (internal/rpcserver, before a handler runs). An update is the exception: its rules hold for the merged connection,
// which only the handler knows.
//
// Neighbours: app registers it on the server of the connection role.
package rpc
