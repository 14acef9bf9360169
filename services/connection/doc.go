// Package connection keeps connections: how to authenticate to which API, and whether that works at present; and grants, the accounts of end
// users under them.
//
// Owns: the types of a connection and a grant and their rules beyond the shape of a message, their states and how they follow from requests and
// from what becomes of their tokens, what a provider of the catalogue fills in, the use cases ([Service]), the events of state changes, and the
// loops ([Service.Run]) that carry every decision to the token service and every outcome back.
//
// Does not own: tokens (services/token, reached through [TokenControl]), tables (store), messages and status codes (rpc), how a token
// endpoint is examined (probe), what is known of providers (catalog), how end users
// come to grants (connect), how many grants are ended (grantjobs), operations that APIs have in common (interfaces).
//
// Neighbours: store implements [Store] and [GrantStore]; tokens and announce implement [TokenControl] and [Announcer] over gRPC; probe
// implements [Probe], catalog [Catalog]; rpc serves the [Service].
package connection
