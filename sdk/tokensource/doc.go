// Package tokensource keeps an application in possession of a valid credential.
//
// [New] opens one WatchToken stream and blocks until the first usable token;
// from then on reads are memory reads, and each next generation is here before
// the former one expires. The application never runs refresh code. A [Source]
// is an [golang.org/x/oauth2.TokenSource], and makes an [net/http.RoundTripper]
// and gRPC [google.golang.org/grpc/credentials.PerRPCCredentials].
//
// Owns: one watch with its reconnects, the newest state of one token, and what
// puts that credential on an outgoing request.
//
// Does not own: obtaining or refreshing tokens (the token service does), the
// gRPC connection (whoever dialled it closes it), retries of requests for any
// reason but a refused credential.
//
// Neighbours: the gen module, whose TokenService it calls.
//
// # What a read returns
//
// A valid token is served until it expires, also while the stream is down; an
// expired one never. Then reads fail with an error that names the state of the
// token ([StateError], [ErrExpired]) and the last failure of the stream. Expiry
// is judged by the local clock, less [WithExpirySkew]: keep clocks in step, or
// set it to the difference that you expect.
//
// # What ends a watch
//
// Close, and the answers NOT_FOUND (the connection was deleted),
// PERMISSION_DENIED (the right to read was lost) and INVALID_ARGUMENT.
// UNAUTHENTICATED and UNIMPLEMENTED end it only before the first message: later
// they show a key that is being changed or a proxy that is being deployed, and
// the source keeps trying. Everything else, the end of the stream and a silent
// peer included, leads to a new connection after a jittered, exponential delay
// of 100 ms to 30 s. Once a watch has ended reads fail, since nobody would tell
// that the token was revoked.
package tokensource
