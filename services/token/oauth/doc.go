// Package oauth makes token requests (RFC 6749, RFC 7523, RFC 8693) and
// revocations (RFC 7009), and reads their answers.
//
// Owns: the request as the connection's settings want it, with its grant, its
// client authentication and its dialect; which of two client secrets is in
// force; whether any part of a request may have left; the raw answer, complete
// and unread, so that it can be stored first; what an answer means: a token,
// found in everything that real authorization servers send, or a failure by
// class.
//
// Does not own: when a request is made, how often, or what follows from it
// (package token); which addresses may be reached (the HTTP clients it is
// given, from services/internal/egress).
//
// It does not use golang.org/x/oauth2: that throws a token away with the whole
// answer when one field of it is odd, and repeats a request whose outcome it
// does not know.
//
// Neighbours: oauth/jwtsign signs assertions, oauth/clienttls keeps clients for
// certificates.
package oauth
