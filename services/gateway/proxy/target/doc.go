// Package target says where a call through the API proxy goes, and refuses paths that could lead out of the API.
//
// Owns: reading the proxy's paths ([Parse]), the rules on what of a path is passed on, and putting it behind a base URL ([URL]).
//
// Does not own: whether the host may be called at all (the egress guard judges each address at the moment it is dialled).
//
// Neighbours: package proxy. Pure: it reads and writes nothing.
//
// Servers differ in how they read a path: some decode %2F before they split it, some take a backslash for a slash, some drop what follows a
// semicolon, some decode twice. What any of them could take for a step upwards is refused, rather than cleaned, since a cleaned path is
// not the one that was asked for.
package target
