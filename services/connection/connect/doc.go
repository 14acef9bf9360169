// Package connect leads end users to grants: the authorization code flow (RFC 6749 section 4.1) with PKCE (RFC 7636), pushed requests (RFC 9126)
// and the check of who answers (RFC 9207).
//
// Owns: sessions ([Session]) and what may become of them, the authorization request, what a browser brings back and is shown, how a session is
// bound to one browser, the redemption of the code by giving it to a grant, and what is found out about the account afterwards.
//
// Does not own: grants and connections (package connection), the token request (services/token, which redeems the code as the grant's
// credential and journals that), pages, cookies and HTTP (services/gateway), tables (connection/store).
//
// Neighbours: catalog knows providers' ways ([Catalog]); store keeps sessions ([Store]); tokens pushes requests and knows answers
// ([Authorizer]); account asks APIs ([Asker]); rpc serves the [Service].
package connect
