// Package dpop is what a client of RFC 9449 (OAuth 2.0 Demonstrating Proof of
// Possession) does about a server's nonces.
//
// Owns: recognizing the challenge by which a server asks for one, and
// remembering each server's latest.
//
// Does not own: keys and proofs. Those of a connection are the token service's,
// which makes proofs on request (DpopService.CreateDpopProof) and never gives
// the key away.
//
// Neighbours: sdk/tokensource, whose RoundTripper does all of it; programs that
// make their requests themselves.
package dpop
