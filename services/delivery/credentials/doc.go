// Package credentials keeps the current credential of every connection that is in use in memory. It implements delivery.Credentials over
// the token service's stream WatchTokens.
//
// It owns the stream: it subscribes to what is asked for, acknowledges each generation, connects again when the stream ends, and goes on
// asking for tokens that cannot be watched yet. While the stream is down, the last credential stays in use until it expires. It does
// not own when tokens are refreshed.
//
// Neighbours: the token service is the source; the delivery service reads a credential for each attempt.
package credentials
