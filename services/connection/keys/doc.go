// Package keys reads the private keys and certificates of connections, to say at once what is wrong with them.
//
// Owns: which forms of keys are taken (PEM of PKCS #8, PKCS #1 and SEC 1, JWK), which signature algorithm fits which key, and whether
// a certificate belongs to a key.
//
// Does not own: signing and mutual TLS of token requests, which are the token service's; where keys are kept (store).
//
// Neighbours: package connection validates settings with it; probe presents the client certificate.
//
// Errors never repeat anything of a key.
package keys
