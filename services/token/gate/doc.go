// Package gate decides whether a token request may leave now, by what other
// requests to the same authorization server have met: one breaker per client
// that the server refuses, one pause per token endpoint that asked to wait, one
// budget per client and endpoint that allows so many requests in a time.
//
// Owns: that knowledge, in memory: it is exact within the process, each replica
// has its own, and a restart forgets it. All of it is bounded.
//
// Does not own: what becomes of a token that has to wait, or when it is tried
// again (package token).
//
// Neighbours: package token is the only user.
package gate
