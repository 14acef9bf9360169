// Package page turns keyset cursors into opaque page tokens and back
// (https://google.aip.dev/158).
//
// Owns: the token's format, its authentication, the page size's default and
// maximum.
//
// Does not own: what a cursor holds (the sort keys of the last row, chosen by
// the store) or the order of a list.
//
// Neighbours: rpc packages decode the request's token and encode the
// response's; app makes the Codec from a key of the seal package.
package page
