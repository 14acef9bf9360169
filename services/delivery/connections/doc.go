// Package connections asks the connection service which connections there are. It implements delivery.Connections over gRPC.
//
// It does not ask for anything else: credentials come from the token service.
package connections
