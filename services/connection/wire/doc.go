// Package wire translates between the connection service's types and the messages of freshet.connection.v1.
//
// Owns: the translation, both ways. It is complete: a field of the contract that is missing here is a field that is lost.
//
// Does not own: rules on values (protovalidate and package connection), field masks and status codes (rpc).
//
// Neighbours: rpc serves these messages; tokens sends settings to the token service in the same form.
package wire
