package dpop

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// maxServers bounds how many servers' nonces are remembered. Forgetting one
// costs a challenge.
const maxServers = 4096

// Nonces remember the latest nonce of each server, so that a request seldom
// meets a challenge. A server is an origin: scheme, host and port (RFC 9449
// section 8.2: a nonce is for the server that gave it). The zero value is empty
// and ready for use; it is safe for concurrent use.
type Nonces struct {
	mu      sync.Mutex
	servers map[string]remembered
}

// remembered is what is known of a server. An empty nonce means that it gave
// none with its latest answer, and never did.
type remembered struct {
	nonce string
	heard time.Time
}

// For returns the latest nonce of the server of a URL; empty if it never gave
// one.
func (n *Nonces) For(u *url.URL) string {
	nonce, _ := n.Heard(u)
	return nonce
}

// Heard returns the latest nonce of the server of a URL, and when it was given.
// Without one it is when the server last answered; zero if it never did.
func (n *Nonces) Heard(u *url.URL) (nonce string, at time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	known := n.servers[origin(u)]
	return known.nonce, known.heard
}

// Learn takes in an answer of the server of a URL, received at the given time,
// and returns the nonce that came with it; empty without one. An answer without
// a nonce does not end the former one (section 8.2).
func (n *Nonces) Learn(u *url.URL, header http.Header, now time.Time) string {
	nonce, server := Nonce(header), origin(u)
	n.mu.Lock()
	defer n.mu.Unlock()
	if nonce == "" && n.servers[server].nonce != "" {
		return ""
	}
	if n.servers == nil {
		n.servers = make(map[string]remembered)
	}
	if _, known := n.servers[server]; !known && len(n.servers) >= maxServers {
		for other := range n.servers {
			delete(n.servers, other)
			break
		}
	}
	n.servers[server] = remembered{nonce: nonce, heard: now}
	return nonce
}

// origin is that of RFC 6454 section 4, as text.
func origin(u *url.URL) string {
	scheme, port := strings.ToLower(u.Scheme), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}
