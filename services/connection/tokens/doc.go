// Package tokens lets the connection service drive the token service over gRPC.
//
// Owns: the translation between connection's types and freshet.token.v1.TokenInternalService, and which answers are no errors.
//
// Does not own: when to call (package connection), the wire form of settings, which it takes from package wire.
//
// Neighbours: connection.TokenControl and probe.Trier are implemented here; the client connection is made by app.
package tokens
