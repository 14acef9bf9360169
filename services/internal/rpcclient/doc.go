// Package rpcclient is the one way to open a connection to a gRPC service of the
// suite, in memory or over the network.
//
// Owns: transport security (plaintext never leaves the machine), keepalive and
// reconnection, message limits, load balancing over replicas, and which methods
// are retried.
//
// Does not own: the credentials it attaches (authn), or how callers wait for and
// reopen streams.
//
// Neighbours: rpcserver is the other end; app dials, and hands connections to
// the services as grpc.ClientConnInterface; the command line dials from outside.
package rpcclient
