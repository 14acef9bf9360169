// Package rehearse walks a live token through expiry, failing refreshes and recovery, and watches as a consumer of the token would.
//
// Owns: what is rehearsed and in which order, when that is refused ([Prepare]), what a consumer would have seen ([Report]), and that
// nothing simulated is left behind, however a rehearsal ends.
//
// Does not own: the simulations themselves, which are the token service's (SimulateExpiry, SimulateFailure, EndSimulations), and how a
// report is printed (commands).
//
// Neighbours: commands runs it as `freshet token rehearse`. It reaches a running suite through the generated clients only.
//
// Failures are simulated, recoveries are not: each step ends with one real token request to the real provider.
package rehearse
