// Package demo runs the whole suite in one process, beside an authorization server with short-lived tokens and an API that checks every
// call, and shows tokens being rotated ahead of expiry and events being delivered with them.
//
// Owns: the other people's systems of the demo and their credentials, the manifest that is applied (manifest.yaml), the events that are
// put, the view, and the verdict: what was accepted against what arrived, as counted by the API and not by the suite.
//
// Does not own: anything of how the suite works. It uses it as any program outside would: over gRPC with the admin key, through
// sdk/tokensource, and reads the counter of expired tokens from /metrics.
//
// Neighbours: app runs the suite; authserver and resourceapi play the other systems; cmd/freshet/manifest applies the manifest;
// cmd/freshet/commands has the command.
package demo
