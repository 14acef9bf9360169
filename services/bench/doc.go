// Package bench measures the suite against the limit of the machine it runs on: how fast it delivers events next to posting the same
// bodies directly, and how fast it pushes a new token to many streams next to a bare gRPC server that does nothing else. Matching is
// measured with many rules next to one.
//
// Owns: the load, the definitions of the figures (docs/benchmarks.md), and the processes of a run: `freshet serve` with a data folder of
// its own, and a sink or a bare server. The raw limit is measured in the same run, by the same client, against the same peer.
//
// Does not own: printing, or whether a figure is good enough: missing a target is a result, not an error.
//
// Neighbours: the command freshet bench calls Delivery, Watch and Match, and runs packages sink and fanout in processes of their own.
package bench
