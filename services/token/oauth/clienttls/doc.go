// Package clienttls authenticates a client by mutual TLS (RFC 8705).
//
// Owns: reading a certificate with its key, one HTTP client per certificate, as
// many as were used lately, and knowing that the server took it before anything
// is sent that would be lost otherwise.
//
// Does not own: which addresses may be reached, or how a client is made: it is
// given a function for that.
package clienttls
