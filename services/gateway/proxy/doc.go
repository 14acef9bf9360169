// Package proxy makes calls of other people's APIs with the credentials that Freshet keeps: a caller names a connection, or one of its grants,
// and a path, and never sees a token.
//
// Owns: one call from the caller's request to the API's answer: the token of the moment on it, streams both ways, the second attempt after a
// refused token, attempts that the caller asks for, limits in size and time, what of a failure the caller is told, spans and metrics. And
// the watches of the tokens in use, which end when nobody uses them.
//
// Does not own: who may call (the gateway knows its callers, and the connection service judges each of them); when tokens are refreshed; what the
// API of a connection is; which addresses may be called (the egress guard's client).
//
// Neighbours: package gateway hands it the requests below /proxy/v1/ and answers its errors; sdk/tokensource puts credentials on requests;
// target, hygiene and quota are its pure parts.
package proxy
