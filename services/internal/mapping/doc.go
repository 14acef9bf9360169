// Package mapping is the language of interface files: operations that callers can ask for, and how each is made of the calls of a provider's
// API: one request, and what of its answer is the output, the next page, or an error.
//
// Owns: the file's form (interface.schema.json), reading and judging it ([Parse]), the request of an operation ([Route.Request]), and what an
// answer means ([Route.Answer]). Expressions are jq; they see what they are given and nothing else: no environment, no clock, no input, no
// modules; each has its time and gives one value.
//
// Does not own: making the call, whose path and headers the API proxy judges; where interfaces are kept; which provider a connection has.
//
// Neighbours: services/gateway/calls makes the calls; services/connection/interfaces keeps interfaces and tries them; the command line judges
// files. Pure: it reads and writes nothing.
package mapping
