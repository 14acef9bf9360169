// Package shape makes a request out of an event and a target: envelope, JSON paths, endpoint, query and body.
//
// It owns how EventBridge's target parameters work: [Envelope] is the event as rules and targets see it, [Path] a JSON path,
// [Parameter] a constant or a path, [Endpoint] a URL with `*` to fill. Everything is taken from the event's text as it was put:
// numbers keep their spelling, objects their order. It does not send anything and knows no credentials beyond the names and values
// it is given.
//
// Neighbours: delivery/rawjson reads the text; the delivery service puts the parts together.
package shape
