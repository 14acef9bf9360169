// Package clienttls authenticates a client by mutual TLS (RFC 8705).
//
// Owns: reading a certificate with its key, and one HTTP client per
// certificate, as many as were used lately.
//
// Does not own: which addresses may be reached, or how a client is made: it is
// given a function for that.
package clienttls
