// Package learn finds out by experiment how an authorization server treats refreshing, on a grant that is used up by it.
//
// Owns: which requests are made in which order ([Plan]), and what follows from their answers ([Lesson]): lifetimes and their unit, rotation,
// what becomes of old refresh tokens and access tokens, early refreshes, error codes, ways of client authentication.
//
// Does not own: how token requests are made and read (token.Exchanger), stored tokens (none is touched), the form of a catalogue entry.
//
// Neighbours: rpc serves it as LearningService.
//
// It says only what it saw. A server that behaves differently later, or to another client, is not covered.
package learn
