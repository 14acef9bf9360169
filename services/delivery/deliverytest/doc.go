// Package deliverytest stands for the rest of the suite in tests of the delivery service: a token service and a connection service that say
// what a test tells them, spoken to over real gRPC in memory, and the service itself on a real store.
package deliverytest
