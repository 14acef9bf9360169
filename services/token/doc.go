// Package token keeps every connection's credential valid and hands it out: on
// request, and by pushing each new generation ahead of the former one's expiry.
//
// Owns: what a token, a generation and a rotation are; the states and failure
// classes and what follows from each; the rotation engine (claim, intent,
// request, response, commit, push) and its recovery after a crash; when a
// token is next worked on; which superseded tokens are still to be revoked.
//
// Does not own: how a token request looks and how its answer is read
// (token/oauth), the arithmetic of windows and backoff (token/schedule), what
// requests to the same server have met (token/gate), fan-out (token/hub), SQL
// (token/store), gRPC (token/rpc), or client secrets: those belong to the
// connection service and are asked for at each rotation (token/settings). How
// servers are experimented with is token/learn's.
//
// Neighbours: the connection service says which tokens to keep and watches
// their states; delivery, gateway and the SDK watch tokens.
package token
