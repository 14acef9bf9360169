// Package dpop makes keys and proofs of RFC 9449 (OAuth 2.0 Demonstrating Proof
// of Possession).
//
// Owns: the key pairs that tokens are bound to, as they are stored; their
// thumbprints; what a proof says and how it is signed.
//
// Does not own: when a key is made and how long it lives (package token), how it
// is sealed (token/store), or a server's nonces (token/oauth for authorization
// servers, sdk/dpop for the rest).
package dpop
