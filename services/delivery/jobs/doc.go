// Package jobs is the long work on what the delivery service has stored: replays put events of the past on their bus again,
// redrives start dead deliveries anew.
//
// It owns what such a [Job] is, who drives it, its pace and its progress. A job is driven by one instance at a time: whoever claims it
// raises its fence, and every step names the fence it was claimed with. A step is one transaction that stores its effects together with
// how far the job is, so that a job that is cut off anywhere goes on where it was, with nothing lost and nothing done twice.
//
// It does not own events, rules and deliveries, nor how a rule matches (package delivery), nor the rows (delivery/store).
//
// Neighbours: the delivery service plans and dispatches the deliveries; app runs it beside that; rpc serves the API.
package jobs
