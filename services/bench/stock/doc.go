// Package stock writes many tokens and their grants into the databases of a suite that does not run, through the services' own stores.
//
// Owns: copies of a connection's token, one for each of many grants, as the service would have left them: sealed, planned, due when the
// benchmark wants.
//
// Does not own: the rows' form (token/store, connection/store) or what a token and a grant are.
//
// Neighbours: package bench fills a stock before it starts the suite, and looks at it afterwards.
package stock
