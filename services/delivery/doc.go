// Package delivery is the delivery service: it takes events, matches them with the rules of their bus, and calls each target's
// destination with the credential of its connection until it has succeeded or its retry policy is exhausted.
//
// It owns buses, rules, schedules, webhooks, archives, destinations, events, deliveries and attempts, and how long and how much of them is kept: their rules
// and use cases, and the interfaces of what it needs ([Store], [Credentials], [Connections], [Sender]). An event is acknowledged when it is durable together with every delivery
// it causes; from then on each delivery is attempted at least once, also if the process is killed.
//
// It does not own credentials (the token service pushes them), nor whether an address may be called (the egress guard behind Sender
// and CheckURL).
//
// Neighbours: pattern, schedule, shape, signature, webhook, buslog and dispatch are its pure parts; jobs drives replays and redrives; store keeps everything in SQLite or PostgreSQL; httpsend makes one
// request; credentials and connections are the clients of the token and connection services; rpc serves the API.
package delivery
