// Package egress is the one way out: every call to an address that somebody
// else chose goes through a [Guard]. Token endpoints, destinations and the
// proxy are such addresses; so are the names behind them, because their owner
// can change what they resolve to.
//
// Owns: which URLs and addresses may be called ([Policy]), the check of a URL
// when it is given to us, the check of the address at the moment it is dialled,
// and the HTTP client that can do nothing else.
//
// Does not own: what is sent, timeouts of whole requests (the context governs),
// retries, limits on response bodies, spans.
//
// Neighbours: app makes one Guard from the settings egress.allow and
// egress.allow_http; token/oauth, the delivery sender, the connection tests and
// the proxy use it. Nothing else in the suite dials a configured address.
//
// Two habits for callers. Errors of an http.Client contain the request's URL,
// and a URL's query or path can hold an API key: pass them through [WithoutURL]
// before they are logged or stored. For the same reason do not wrap the client
// in instrumentation that records url.full.
package egress
