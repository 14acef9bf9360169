// Package rpcerr builds the error statuses that callers of our gRPC services
// see, and reads them back.
//
// Owns: the shape of every error answer (code, message, google.rpc.ErrorInfo
// with a reason of freshet.errors.v1.Reason, google.rpc.BadRequest for invalid
// fields), and what happens to an error nobody mapped: it is logged in full and
// answered as a plain INTERNAL_FAULT.
//
// Does not own: which domain error means which reason. Each service's rpc
// package says so in one switch, which ends in [Internal].
//
// Neighbours: rpcserver calls [FromHandler] around every call; stores mark
// their errors with a method Unavailable() bool to be answered as
// STORE_UNAVAILABLE.
package rpcerr
