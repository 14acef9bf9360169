// Package announce puts the events of connections' state changes on the bus `default` of their project.
//
// Owns: the form of these events: source, detail.
//
// Does not own: when there is one, or that it is published at last (package connection).
//
// Neighbours: connection.Announcer is implemented here, over freshet.delivery.v1.DeliveryService.
package announce
