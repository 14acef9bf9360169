// Package hub fans out the newest state of many keys to many subscribers.
//
// Owns: who is subscribed to what, and what each subscriber has not taken yet.
//
// Does not own: the values, their order (a version number decides) or how they
// travel. It keeps no state of a key that nobody is subscribed to.
//
// Newest wins: a subscriber holds at most one value per key; a newer one
// replaces it. Publishing never waits for a subscriber and memory is bounded by
// the number of subscriptions.
//
// Neighbours: package token is the only user.
package hub
