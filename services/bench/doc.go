// Package bench measures the suite against the limit of the machine it runs on: how fast it delivers events next to posting the same
// bodies directly, how fast it pushes a new token to many streams next to a bare gRPC server that does nothing else, and how fast it
// refreshes tokens next to redeeming refresh tokens directly. Calls through the API proxy are measured next to direct ones, matching with
// many rules next to one, refreshing with many stored tokens next to few, and a destination beside one in trouble next to beside one that is well.
//
// Owns: the load, the definitions of the figures (docs/benchmarks.md), and the processes of a run: `freshet serve` with a data folder of
// its own, and a sink, a bare server or an issuer of tokens. The raw limit is measured in the same run, by the same client, against the same peer.
//
// Does not own: printing, or whether a figure is good enough: missing a target is a result, not an error.
//
// Neighbours: the command freshet bench calls Delivery, Isolation, Watch, Match, Refresh, Schedule and Proxy, and runs packages sink, fanout and issuer in
// processes of their own; package stock fills the token database.
package bench
