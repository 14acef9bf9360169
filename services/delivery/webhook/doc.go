// Package webhook checks who sent an inbound webhook, and makes an event's content out of it.
//
// It owns the signature schemes ([Scheme]) with their bounds in time, and how body and headers become a detail ([Request.Detail]). It
// knows no store, no HTTP server and no bus. Whatever is wrong with a request's proof is the one error [ErrRefused], and what is
// secret is compared in constant time with every secret there is, so that an answer tells nothing about them.
//
// Neighbours: the delivery service keeps webhooks and puts the events; the gateway takes the requests.
package webhook
