// Package hygiene says which headers pass through the API proxy.
//
// Owns: what of a caller's headers reaches the API ([Request]), and what of the API's reaches the caller ([Response]).
//
// Does not own: the credential, which the proxy adds afterwards; bodies, which pass unread.
//
// Neighbours: package proxy. Pure: it reads and writes nothing but headers.
package hygiene
