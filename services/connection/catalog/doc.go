// Package catalog knows providers: how the authorization servers of well-known companies differ from RFC 6749 and from each other, so that
// a connection need only name one.
//
// Owns: the schema of an entry ([Entry], and the JSON Schema made from it), reading and judging entries ([Parse], [Problem]), the entries
// that come with the program (folder providers) and those of the operator, rendering of their URLs with instance values, and what an
// entry means for the settings of a connection ([Catalog.Fill]).
//
// Does not own: rules on the settings themselves (package connection), which tokens are obtained (services/token).
//
// Neighbours: implements connection.Catalog; rpc serves the entries; the command line judges files with Parse where no suite runs.
//
// Facts in the entries are the vendors', from the pages that each entry cites; docs/providers.md says how to write one.
package catalog
