// Package manifest reads declarations of connections, of buses and what they have, and of destinations from YAML, and makes a server match
// them.
//
// Owns: the form of a manifest (documents, short names, secrets by reference), the order in which objects are applied, the difference
// between what is declared and what the server has, waiting until connections are authorized.
//
// Does not own: what a valid resource is. The server says so: every object is first sent with validate_only, and differences are those
// between the server's present and its answer, so that its defaults and its spelling never show up as changes.
//
// Neighbours: the commands apply and demo call Parse and Apply; it speaks to the services through the gen clients only.
package manifest
