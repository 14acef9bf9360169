// Package httpsend makes one HTTP request to a destination and says what became of it. It implements delivery.Sender.
//
// It owns the request on the wire: the deadline over the whole exchange, no redirects, how much of an answer is read, how transport
// failures are told apart, Retry-After in all its forms, and that no secret of the request comes back in a message. It does not
// decide what an outcome means for a delivery, nor which addresses may be called: the client it is given is the egress guard's.
//
// Neighbours: services/internal/egress makes the transport; the delivery service builds requests and reads responses.
package httpsend
