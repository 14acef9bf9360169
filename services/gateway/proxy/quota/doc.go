// Package quota understands what APIs say about their rate limits, and remembers it.
//
// Owns: reading an answer's headers ([Rules]), and until when no call should be made with a token ([Holds]).
//
// Does not own: limits of ours; who is told what about a call that is not made.
//
// Neighbours: package proxy; the connection service knows the names of a provider's headers.
package quota
