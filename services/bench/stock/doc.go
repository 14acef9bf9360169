// Package stock writes many tokens into the database of a suite that does not run, through the token service's own store.
//
// Owns: copies of a connection's token, one for each of many grants, as the service would have left them: sealed, planned, due when the
// benchmark wants.
//
// Does not own: the rows' form (token/store) or what a token is (package token).
//
// Neighbours: package bench fills a stock before it starts the suite, and looks at it afterwards.
package stock
