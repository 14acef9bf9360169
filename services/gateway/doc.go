// Package gateway is the REST face of the suite: it turns HTTP requests into calls of the other services.
//
// Owns: which paths, methods, query parameters and headers are served under /v1, all of it read from the contracts; error answers as
// application/problem+json; streams as NDJSON and server-sent events; /openapi.json, /healthz, /readyz, /metrics; the limits of the
// HTTP server and how it leaves. CloudEvents of the HTTP binding become PutEvents here. And /ingest, where senders
// without a key of ours reach the delivery service's webhooks, and who may use /proxy.
//
// Does not own: calls through the proxy (package proxy; over gRPC proxy/invoke, of interfaces package calls), the pages on which end users connect
// accounts (connectpage), the log of calls (services/calllog). And what callers may do. A caller that the authenticator does not know gets no further than its headers; the credential of
// any other travels on with the call, and the gRPC servers judge it again, so that REST and gRPC callers pass the same gate. Values of
// fields are the services' business too.
//
// Neighbours: app gives it the connections to the services; gen/rest holds the generated handlers; gen/openapi the document that
// describes what is served here.
package gateway
