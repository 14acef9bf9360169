// Package authserver is a small OAuth 2.0 authorization server for demonstrations and tests.
//
// It owns: the token endpoint (the grants of RFC 6749, JWT bearer of RFC 7523, token exchange of
// RFC 8693), client authentication by secret, assertion (RFC 7523) and certificate (RFC 8705), server
// metadata (RFC 8414), the key set (RFC 7517), introspection (RFC 7662), revocation (RFC 7009),
// proofs of possession (RFC 9449), the authorization endpoint with a page on which a user agrees, pushed requests (RFC 9126), the history of what it issued, and the faults and response quirks a test asks for.
//
// It does not own: who a user is (the page takes any name; IssueRefreshToken and IssueCode do without it), persistence (a restart
// forgets everything), or rate limits. It is not meant to guard anything of value.
//
// Neighbours: package possession checks proofs; package resourceapi accepts its tokens; the demo and the test suites of the token
// and delivery services talk to it over HTTP like to any other authorization server. It imports
// nothing of Freshet.
package authserver
