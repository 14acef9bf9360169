// Package jwtsign signs JWTs with a client's private key (RFC 7515, RFC 7518).
//
// Owns: reading a private key from PEM or JWK, which algorithms fit it, the
// compact serialization.
//
// Does not own: what a JWT says (package oauth), or where keys are kept.
package jwtsign
