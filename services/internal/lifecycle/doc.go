// Package lifecycle runs the long-lived parts of a process together: one fails,
// all stop; all stop in the reverse of the order they started in.
//
// Owns: start order, stop order, the bound on stopping, and turning panics of a
// part into errors.
//
// Does not own: signals, and which parts there are (app). A part is a [Task]: a
// function that runs until its context ends; what it needs is opened by its
// constructor before, not by waiting for other tasks.
//
// Neighbours: app is the only caller; rpcserver's Serve, the gateway's HTTP
// server and the services' background loops are tasks.
package lifecycle
