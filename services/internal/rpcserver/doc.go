// Package rpcserver is the one way to build a gRPC server, so that every role
// behaves the same, in memory and over TCP.
//
// Owns: the order of what happens around a call (tracing, logging, errors,
// panics, draining, authentication, authorization, validation), for unary and
// streaming calls from one list; who may call internal services ([Policy]);
// health, reflection, limits, keepalive, and how a server leaves.
//
// Does not own: listeners, certificates and the policy's content (app), how a
// caller is recognised (authn), or what errors look like (rpcerr).
//
// Neighbours: the services' rpc packages register their handlers here;
// rpcclient is the other end; lifecycle runs [Server.Serve].
package rpcserver
