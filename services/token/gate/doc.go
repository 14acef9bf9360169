// Package gate decides whether a token request may leave now, by what other
// requests to the same authorization server have met: one breaker per client
// that the server refuses, one pause per token endpoint that asked to wait. And
// it counts the requests of a client whose provider allows so many in a time.
//
// Owns: breakers and pauses, in memory: each replica has its own, and a restart
// forgets them, which costs a request each. All of it is bounded. How a budget
// is counted; where it is kept is for others to say, because it must hold over
// all replicas and restarts.
//
// Does not own: what becomes of a token that has to wait, or when it is tried
// again (package token).
//
// Neighbours: package token is the only user.
package gate
