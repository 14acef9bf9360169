// Package authserver is a small OAuth 2.0 authorization server for demonstrations and tests.
//
// It owns: the token endpoint (client credentials and refresh token grants, RFC 6749), server
// metadata (RFC 8414), the key set (RFC 7517), introspection (RFC 7662), revocation (RFC 7009),
// the history of what it issued, and the faults and response quirks a test asks for.
//
// It does not own: user consent (IssueRefreshToken stands in for it), persistence (a restart
// forgets everything), or rate limits. It is not meant to guard anything of value.
//
// Neighbours: package resourceapi accepts its tokens; the demo and the test suites of the token
// and delivery services talk to it over HTTP like to any other authorization server. It imports
// nothing of Freshet.
package authserver
