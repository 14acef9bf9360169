// Package grantjobs ends many grants: those that a filter selects, or all that there is of one end user.
//
// It owns what such a [Job] is, who drives it and how far it is. A job is driven by one instance at a time, by a claim that runs out and a
// fence that rises with every claim; what it does to a grant may be repeated, so that a job that is cut off anywhere goes on where it was.
//
// It does not own grants nor what ending one means (package connection), nor the rows (connection/store).
//
// Neighbours: the connection service ends the grants; app runs this beside it; rpc serves the API.
package grantjobs
