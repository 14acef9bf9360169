// Package schedule is the arithmetic of when a token is refreshed: windows by
// lifetime, jitter drawn once per generation, backoff after failures, and a
// queue that waits for the earliest of many due times.
//
// Owns: those numbers and the queue.
//
// Does not own: what is done when something is due, or what happens to a token
// (package token).
//
// Neighbours: package token is the only user. Nothing here reads a store.
package schedule
