package httpsend

import (
	"crypto/tls"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
)

// observer measures the steps of one exchange. A connection that is being made for it may still be so when it is over.
type observer struct {
	begin time.Time

	mu                               sync.Mutex
	dnsStart, connectStart, tlsStart time.Time
	got                              bool // a connection
	seen                             delivery.Exchange
}

// hooks returns what tells the observer. Of an exchange of which nothing is kept it only learns whether there was a connection.
func (o *observer) hooks(detail delivery.Detail) *httptrace.ClientTrace {
	if detail == delivery.DetailNone {
		return &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { o.note(func() { o.got = true }) }}
	}
	return &httptrace.ClientTrace{
		GotConn: func(c httptrace.GotConnInfo) {
			o.note(func() {
				o.got, o.seen.Reused = true, c.Reused
				if address := c.Conn.RemoteAddr(); address != nil {
					o.seen.Remote = address.String()
				}
			})
		},
		DNSStart:          func(httptrace.DNSStartInfo) { o.start(&o.dnsStart) },
		DNSDone:           func(httptrace.DNSDoneInfo) { o.done(&o.dnsStart, &o.seen.DNS) },
		ConnectStart:      func(string, string) { o.start(&o.connectStart) },
		ConnectDone:       func(string, string, error) { o.done(&o.connectStart, &o.seen.Connect) },
		TLSHandshakeStart: func() { o.start(&o.tlsStart) },
		TLSHandshakeDone:  func(tls.ConnectionState, error) { o.done(&o.tlsStart, &o.seen.TLS) },
		GotFirstResponseByte: func() {
			o.note(func() { o.seen.FirstByte = time.Since(o.begin) })
		},
	}
}

func (o *observer) note(change func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change()
}

// start begins a step. Of several addresses that are tried, the first counts.
func (o *observer) start(at *time.Time) {
	o.note(func() {
		if at.IsZero() {
			*at = time.Now()
		}
	})
}

// done ends a step; the last end counts.
func (o *observer) done(at *time.Time, took *time.Duration) {
	o.note(func() { *took = time.Since(*at) })
}

func (o *observer) connected() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.got
}

// exchange returns what is to be kept. Nil: nothing.
func (o *observer) exchange(
	r *delivery.Request, response *http.Response, failed bool, redact func(string) string,
) *delivery.Exchange {
	if r.Detail == delivery.DetailNone {
		return nil
	}
	o.mu.Lock()
	seen := o.seen
	if seen.Reused { // what another exchange began does not count
		seen.DNS, seen.Connect, seen.TLS = 0, 0, 0
	}
	o.mu.Unlock()
	if response != nil {
		seen.Protocol = response.Proto
	}
	if !failed && r.Detail != delivery.DetailAll {
		return &seen
	}
	seen.RequestHeaders = publicHeaders(r.Header, r.SecretHeaders, redact)
	if response != nil {
		seen.ResponseHeaders = publicHeaders(response.Header, r.SecretHeaders, redact)
	}
	return &seen
}
