package clienttls

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/freshet-io/freshet/services/internal/seal"
)

// ErrCertificate means that a certificate and its key cannot be used. It never has any part of them,
// and can be shown to people.
var ErrCertificate = errors.New("the client certificate cannot be used")

// Parse reads a certificate chain, the client's own certificate first, and its private key, both PEM. Errors: ErrCertificate.
func Parse(chain string, privateKey seal.Secret) (tls.Certificate, error) {
	certificate, err := tls.X509KeyPair([]byte(chain), []byte(privateKey.Reveal()))
	if err != nil {
		// The errors of crypto/tls name what is missing or does not match, without the key.
		return tls.Certificate{}, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	return certificate, nil
}

// Clients keeps an HTTP client for each of the certificates that were used last. It is safe for concurrent use.
type Clients struct {
	build func(tls.Certificate) *http.Client
	limit int

	mu      sync.Mutex
	clients map[identity]*entry
	uses    uint64
}

// identity tells certificates apart without keeping their keys.
type identity [sha256.Size]byte

type entry struct {
	client *http.Client
	used   uint64 // the value of uses then
}

// NewClients returns an empty set of at most limit clients. build makes a client that shows a certificate.
func NewClients(build func(tls.Certificate) *http.Client, limit int) *Clients {
	return &Clients{build: build, limit: max(limit, 1), clients: make(map[identity]*entry)}
}

// For returns the client for a certificate. The one that has not been used for longest gives way to a new one; its idle
// connections are closed, and requests under way end as usual. Errors: ErrCertificate.
func (c *Clients) For(chain string, privateKey seal.Secret) (*http.Client, error) {
	id := identify(chain, privateKey)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uses++
	if known, ok := c.clients[id]; ok {
		known.used = c.uses
		return known.client, nil
	}
	certificate, err := Parse(chain, privateKey)
	if err != nil {
		return nil, err
	}
	if len(c.clients) >= c.limit {
		c.evict()
	}
	client := c.build(certificate)
	c.clients[id] = &entry{client: client, used: c.uses}
	return client, nil
}

// evict removes the client that has not been used for longest. c.mu must be held.
func (c *Clients) evict() {
	var oldest identity
	used := c.uses
	for id, e := range c.clients {
		if e.used < used {
			oldest, used = id, e.used
		}
	}
	c.clients[oldest].client.CloseIdleConnections()
	delete(c.clients, oldest)
}

func identify(chain string, privateKey seal.Secret) identity {
	chainSum, keySum := sha256.Sum256([]byte(chain)), sha256.Sum256([]byte(privateKey.Reveal()))
	return sha256.Sum256(append(chainSum[:], keySum[:]...))
}
