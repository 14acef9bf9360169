// Package authn says who calls: a holder of the admin key, or another service
// of the suite.
//
// Owns: [Principal] and its place in the context; the admin key, its file and
// how it is compared; the short-lived tokens by which the suite's services prove
// themselves to each other; the check of a call's metadata.
//
// Does not own: who may call what (rpcserver's Policy), where the admin key's
// path or the internal key comes from (app), or API keys and clients of other
// callers (gateway).
//
// Neighbours: rpcserver authenticates every call with an [Authenticator];
// rpcclient attaches the credentials that are made here.
package authn
