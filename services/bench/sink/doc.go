// Package sink is the receiving end of the delivery benchmark: an HTTP server that notes when each body arrived, and an authorization
// server beside it.
//
// Owns: the numbered bodies of a benchmark, the record of arrivals, and the client that asks for it.
//
// Does not own: sending, or what the figures mean.
//
// Neighbours: package bench starts it as a process of its own and posts to it, directly and through the suite; demo/authserver issues
// the tokens.
package sink
