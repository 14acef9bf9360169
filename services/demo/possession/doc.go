// Package possession checks proofs of possession (DPoP, RFC 9449) as an
// authorization server or an API does, for demonstrations and tests.
//
// It owns: the checks of RFC 9449 §4.3, the ids of proofs that were used, and
// the server's nonces.
//
// It does not own: what a proof is needed for (authserver, resourceapi), or how
// proofs are made. It imports nothing of Freshet, so that it is a second opinion.
//
// Neighbours: authserver has its token requests checked.
package possession
