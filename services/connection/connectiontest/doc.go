// Package connectiontest gives tests a whole connection service: real store, real gRPC between it and its neighbours.
//
// Owns: [Suite], which wires it as app does, and the neighbours at the other end of the wire: [TokenService], which keeps the contract of
// TokenInternalService and whose tokens change state when a test says so, and [EventBus], which takes events.
//
// Does not own: what is expected; that is in the tests of connection, rpc, tokens and announce.
package connectiontest
