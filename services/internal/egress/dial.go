package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// maxCandidates bounds the addresses of a name that one dial tries.
const maxCandidates = 8

// DialContext connects to address, "host:port", over "tcp", "tcp4" or "tcp6".
//
// A name is looked up once. Each of its addresses is checked, those that are
// denied are left out, and the connection is made to a checked address itself:
// there is no second lookup whose answer could differ (DNS rebinding).
// Candidates are tried in turn, each with an equal share of the time that is
// left. If all of a name's addresses are denied the error is the
// [DeniedError] of the first.
func (g *Guard) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, g.dialTimeout)
	defer cancel()
	candidates, err := g.candidates(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return dialInTurn(ctx, network, candidates)
}

// candidates returns the checked addresses to try for a dial, at least one.
func (g *Guard) candidates(ctx context.Context, network, address string) ([]netip.AddrPort, error) {
	family, ok := map[string]string{"tcp": "ip", "tcp4": "ip4", "tcp6": "ip6"}[network]
	if !ok {
		return nil, denied(RuleNetwork, "%q is not TCP", network)
	}
	hostText, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, denied(RuleHost, "%q is not host:port", address)
	}
	port, err := parsePort(portText)
	if err != nil {
		return nil, err
	}
	addresses, err := g.lookup(ctx, family, hostText)
	if err != nil {
		return nil, err
	}
	var candidates []netip.AddrPort
	var refusal error
	for _, a := range addresses {
		if err := g.CheckAddr(a); err != nil {
			if refusal == nil {
				refusal = err
			}
			continue
		}
		candidates = append(candidates, netip.AddrPortFrom(a, port))
	}
	if len(candidates) > 0 {
		return candidates[:min(len(candidates), maxCandidates)], nil
	}
	if refusal != nil {
		return nil, fmt.Errorf("egress: dial %s: %w", address, refusal)
	}
	return nil, fmt.Errorf("egress: dial %s: %w", address, &net.DNSError{Err: "no addresses", Name: hostText, IsNotFound: true})
}

// dialInTurn connects to the first candidate that answers.
func dialInTurn(ctx context.Context, network string, candidates []netip.AddrPort) (net.Conn, error) {
	var failures []error
	for i, candidate := range candidates {
		conn, err := dialOne(ctx, network, candidate, len(candidates)-i)
		if err == nil {
			return conn, nil
		}
		failures = append(failures, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(failures...)
}

// dialOne connects to one candidate within 1/left of the context's time.
func dialOne(ctx context.Context, network string, candidate netip.AddrPort, left int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		now := time.Now()
		share, cancel := context.WithDeadline(ctx, now.Add(deadline.Sub(now)/time.Duration(left)))
		defer cancel()
		ctx = share
	}
	var dialer net.Dialer // given an address it looks nothing up
	return dialer.DialContext(ctx, network, candidate.String())
}
