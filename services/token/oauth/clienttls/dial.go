package clienttls

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// With TLS 1.3 a client has finished its handshake before the server has seen its certificate (RFC 8446 section 2): a refusal comes after the
// first request was written, or does not come at all, because the server closes a connection that it has not read to its end. What such a request
// redeems looks lost. So a connection is used only when the server has had the time to refuse it.
const (
	// Patience is how long that is for servers that do not tell.
	Patience = time.Second
	// handshakeTimeout is as long as that of other connections.
	handshakeTimeout = 10 * time.Second
)

// errSpokeFirst means that a server sent something that was not asked for.
var errSpokeFirst = errors.New("the server sent data before the request")

// Dial returns a function for [net/http.Transport.DialTLSContext] that shows the certificate of a configuration over connections of dial, and waits
// for the server's verdict about it, for the time of patience at the longest. A server that accepts it tells so by a ticket, which it may send only
// afterwards (RFC 8446 section 4.6.1), and does if the configuration has a ClientSessionCache.
func Dial(
	dial func(ctx context.Context, network, address string) (net.Conn, error), config *tls.Config, patience time.Duration,
) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		secured, err := secure(ctx, conn, config, address, patience)
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		return secured, nil
	}
}

func secure(ctx context.Context, conn net.Conn, config *tls.Config, address string, patience time.Duration) (*tls.Conn, error) {
	config = config.Clone()
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		config.ServerName = host
	}
	tickets := &ticketWatch{ClientSessionCache: config.ClientSessionCache, conn: conn}
	if config.ClientSessionCache != nil {
		config.ClientSessionCache = tickets
	}
	secured := tls.Client(conn, config)
	handshake, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := secured.HandshakeContext(handshake); err != nil {
		return nil, err
	}
	state := secured.ConnectionState()
	if state.Version < tls.VersionTLS13 || state.DidResume {
		return secured, nil
	}
	return secured, tickets.verdict(ctx, secured, patience)
}

// ticketWatch ends the waiting for a verdict when a ticket has come.
type ticketWatch struct {
	tls.ClientSessionCache

	conn    net.Conn
	waiting atomic.Bool
}

// Put implements tls.ClientSessionCache.
func (w *ticketWatch) Put(key string, session *tls.ClientSessionState) {
	w.ClientSessionCache.Put(key, session)
	if session != nil && w.waiting.Load() {
		_ = w.conn.SetReadDeadline(time.Unix(0, 1)) // has passed
	}
}

// verdict reads until the server refuses the certificate, accepts it, or has said nothing for the given time. Later reads work as ever: in
// crypto/tls a read that ran into its deadline can be repeated.
func (w *ticketWatch) verdict(ctx context.Context, secured *tls.Conn, patience time.Duration) error {
	w.waiting.Store(true)
	defer w.waiting.Store(false)
	if err := secured.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = secured.Close() })
	defer stop()
	_, err := secured.Read(make([]byte, 1))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		return errSpokeFirst
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return err
	}
	return secured.SetReadDeadline(time.Time{})
}
