// Package connectpage serves end users' browsers while they connect an account: the page that says what they are about to agree to, the way to the
// provider, the callback, and a page for every end.
//
// Owns: the HTML, its headers, the cookie that tells a browser from another, the protection of the one form against other sites, and how many
// requests an address may make. Pages need no script, load nothing, and cannot be framed.
//
// Does not own: what a link, a state or a code is worth. The connection service judges that, and says what to show
// (freshet.connection.v1.ConnectInternalService).
//
// Neighbours: package gateway routes /connect/ and /oauth/callback here.
package connectpage
