// Package dispatch decides when work starts: a lane per destination, each with its rate, its bound on concurrency and its gate, so
// that one that is slow, dead, limited or shut delays no other.
//
// It owns the queues in memory, in front of a backlog that the [Worker] keeps elsewhere and that it claims page by page; the exact
// pace of a lane; and the orderly end. It does not know what the work is, nor whether it succeeded: Work says whether an item comes
// back, and when. Items that go together are gathered into batches, each of which is one start. Where lanes share something (starts, claims, memory), their
// tenants take turns, so that one with many lanes does not starve another. While a lane has a due backlog, new items join the backlog, so that none waits for ever behind newer ones.
//
// Neighbours: the delivery service is the Worker.
package dispatch
