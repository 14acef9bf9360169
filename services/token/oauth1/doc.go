// Package oauth1 signs requests as OAuth 1.0a has it (RFC 5849).
//
// Owns: the signature base string, the signatures, and the header Authorization of a signed request.
//
// Does not own: whose secrets they are and where they are kept; the requests by which tokens are obtained.
//
// Neighbours: package token, whose credentials of kind OAUTH1 hold a [Credential]. Pure but for the nonce, which is random.
package oauth1
