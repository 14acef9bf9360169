package egress

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// DefaultDialTimeout bounds name lookup and connecting together.
const DefaultDialTimeout = 10 * time.Second

// Options are a Guard's means; the zero value is ready for use.
type Options struct {
	// Resolver looks names up. Default: [net.DefaultResolver].
	Resolver *net.Resolver
	// DialTimeout bounds the lookup and all attempts to connect of one dial; the
	// context can only shorten it. Default: [DefaultDialTimeout].
	DialTimeout time.Duration
	// TLS is the base of the TLS configuration: trusted roots, client
	// certificates. It is copied; a minimum version below TLS 1.2 is raised to
	// it. Default: the system's roots.
	TLS *tls.Config
}

// Guard lets calls out that a [Policy] permits. It is safe for concurrent use.
type Guard struct {
	allow       []netip.Prefix
	allowHTTP   bool
	special     []block
	resolver    *net.Resolver
	dialTimeout time.Duration
	tls         *tls.Config
	shared      *http.Transport // under every Client
}

// NewGuard returns a guard for the policy.
func NewGuard(p Policy, o Options) *Guard {
	g := &Guard{
		allow:       append([]netip.Prefix(nil), p.AllowNetworks...),
		allowHTTP:   p.AllowHTTP,
		special:     specialBlocks(),
		resolver:    o.Resolver,
		dialTimeout: o.DialTimeout,
		tls:         &tls.Config{},
	}
	if g.resolver == nil {
		g.resolver = net.DefaultResolver
	}
	if g.dialTimeout <= 0 {
		g.dialTimeout = DefaultDialTimeout
	}
	if o.TLS != nil {
		g.tls = o.TLS.Clone()
	}
	g.tls.MinVersion = max(g.tls.MinVersion, tls.VersionTLS12)
	g.shared = g.Transport()
	return g
}

// CheckURL checks a URL when it is given to us, so that its owner hears at once
// what will never work: it must be absolute, with an allowed scheme, without
// userinfo and fragment, with a host that is a name or an allowed address. A
// name is not looked up: what it resolves to is checked by every dial.
//
// Errors are [DeniedError] and do not repeat the URL.
func (g *Guard) CheckURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// The parser's error quotes the text, which can hold a password.
		return nil, denied(RuleURL, "this is not a valid URL; want https://host/path")
	}
	if strings.Contains(raw, "#") { // also an empty fragment, which u does not show
		return nil, denied(RuleFragment, "the URL must not have a fragment (#…)")
	}
	if err := g.checkURL(u); err != nil {
		return nil, err
	}
	return u, nil
}

func (g *Guard) checkURL(u *url.URL) error {
	switch {
	case u.Scheme == "":
		return denied(RuleURL, "the URL must be absolute; want https://host/path")
	case u.Scheme == "http" && !g.allowHTTP:
		return denied(RuleScheme, "http sends secrets in clear text")
	case u.Scheme != "http" && u.Scheme != "https":
		return denied(RuleScheme, "the scheme is neither https nor http")
	case u.Opaque != "" || u.Host == "":
		return denied(RuleHost, "the URL has no host; want %s://host/path", u.Scheme)
	case u.User != nil:
		return denied(RuleUserinfo, "the URL must not have a user or password; credentials belong to the connection")
	case u.Fragment != "" || u.RawFragment != "":
		return denied(RuleFragment, "the URL must not have a fragment (#…)")
	}
	if port := u.Port(); port != "" {
		if _, err := parsePort(port); err != nil {
			return err
		}
	}
	host := u.Hostname()
	if bracketed := strings.HasPrefix(u.Host, "["); bracketed != strings.Contains(host, ":") {
		return denied(RuleHost, "%q: brackets are for IPv6 addresses", host)
	}
	h, err := parseHost(host)
	if err != nil {
		return err
	}
	if h.address.IsValid() {
		return g.CheckAddr(h.address)
	}
	return nil
}

// Resolve returns the addresses of a host that a dial would consider, in the
// order it would try them, whether allowed or not: [Guard.CheckAddr] tells. A
// host that is an address resolves to itself. Errors are a [DeniedError] for a
// malformed host, or the resolver's [net.DNSError].
func (g *Guard) Resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	return g.lookup(ctx, "ip", host)
}

// lookup resolves host for the family "ip", "ip4" or "ip6".
func (g *Guard) lookup(ctx context.Context, family, host string) ([]netip.Addr, error) {
	h, err := parseHost(host)
	if err != nil {
		return nil, err
	}
	if h.address.IsValid() {
		return []netip.Addr{h.address}, nil
	}
	addresses, err := g.resolver.LookupNetIP(ctx, family, h.name)
	if err != nil {
		return nil, fmt.Errorf("egress: resolve: %w", err)
	}
	for i := range addresses {
		addresses[i] = addresses[i].Unmap()
	}
	return addresses, nil
}

func parsePort(text string) (uint16, error) {
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return 0, denied(RulePort, "the port must be a number from 1 to 65535")
	}
	return uint16(port), nil
}
