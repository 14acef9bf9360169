// Package calllog keeps what became of calls through the API proxy, for a while, so that somebody can look why an account does not work.
//
// Owns: what is kept of a call and what never is (bodies, headers, queries), the queue between the proxy and the store, which a call never
// waits for, and for how long and how many calls are kept ([Log]).
//
// Does not own: the calls (gateway/proxy), what became of events (services/delivery), tables (store), messages (rpc).
//
// Neighbours: app hands the proxy's calls to the log, in the process of the gateway role, whose database this is.
package calllog
