// Package resourceapi is an HTTP API for demonstrations and tests that checks every call.
//
// It owns: the check of a bearer token (signature, issuer, audience, scope, and expiry without any
// leeway), of Basic credentials and of API keys; the record of what it received and refused; and
// paths that answer with a given status, slowly, or only after some failures.
//
// It does not own: issuing tokens, or any business behind its paths.
//
// Neighbours: package authserver issues the tokens it accepts; it knows that server only through
// KeySource. The demo and the test suites of the token and delivery services call it. It imports
// nothing of Freshet.
package resourceapi
