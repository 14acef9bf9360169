// Package invoke serves ProxyService: calls through the API proxy for callers that speak gRPC.
//
// Owns: a call and its answer as messages, whole or in pieces.
//
// Does not own: the call itself, which package proxy makes as it makes those that come over HTTP; who may call, which the server's interceptors
// and the connection service judge.
//
// Neighbours: package proxy; package app, which registers it where the gateway role runs.
package invoke
