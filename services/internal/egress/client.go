package egress

import (
	"crypto/tls"
	"net/http"
	"time"
)

// Transport returns a new transport whose connections are all made by
// [Guard.DialContext]. The caller owns it and its connections, and may set what
// one private path needs: a client certificate, other roots.
//
// It keeps connections alive (64 per host), speaks HTTP/2 where the server
// does, asks for at least TLS 1.2, never uses a proxy from the environment, and
// has no timeout for the response: the request's context governs. It cannot see
// schemes of requests; [Guard.Client] can.
func (g *Guard) Transport() *http.Transport {
	return &http.Transport{
		DialContext:            g.DialContext,
		TLSClientConfig:        g.tls.Clone(),
		TLSHandshakeTimeout:    10 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxIdleConns:           1024,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		ForceAttemptHTTP2:      true, // a custom dialer turns it off otherwise
		HTTP2: &http.HTTP2Config{
			// Without pings a connection that died silently swallows requests
			// until the kernel gives up on it.
			SendPingTimeout: 15 * time.Second,
			PingTimeout:     10 * time.Second,
		},
	}
}

// Client returns a client that can only make permitted calls: the URL of every
// request is checked as by [Guard.CheckURL], the address by every dial. It
// follows no redirect; the caller sees the 3xx response, and no credential is
// sent on. It has no timeout: set a deadline on each request's context.
//
// All clients of a guard share one pool of connections.
func (g *Guard) Client() *http.Client {
	return &http.Client{
		Transport: &checkedTransport{guard: g, next: g.shared},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// ClientWith is [Guard.Client] with connections of its own, on a transport that
// change has given what a private path needs: a client certificate, other
// roots, no kept connections. The caller owns the client's connections.
func (g *Guard) ClientWith(change func(*http.Transport)) *http.Client {
	transport := g.Transport()
	change(transport)
	client := g.Client()
	client.Transport = &checkedTransport{guard: g, next: transport}
	return client
}

// sessions is how many TLS sessions a transport of [OneRequest] can resume.
const sessions = 256

// OneRequest makes a transport use each connection for one request, for [Guard.ClientWith]. TLS sessions are resumed, which spares the
// later connections to a server the dear half of the handshake, and HTTP/2 is not spoken: its own set-up pays only over many requests.
func OneRequest(t *http.Transport) {
	t.DisableKeepAlives = true
	t.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(sessions)
	t.ForceAttemptHTTP2, t.HTTP2 = false, nil
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
}

// checkedTransport checks the URL of every request.
type checkedTransport struct {
	guard *Guard
	next  *http.Transport
}

// RoundTrip implements [http.RoundTripper].
func (t *checkedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	if err := t.guard.checkURL(request.URL); err != nil {
		if request.Body != nil { // the contract of RoundTripper
			_ = request.Body.Close()
		}
		return nil, err
	}
	return t.next.RoundTrip(request)
}

// CloseIdleConnections lets [http.Client.CloseIdleConnections] reach the pool.
func (t *checkedTransport) CloseIdleConnections() { t.next.CloseIdleConnections() }
