package egress

import (
	"net/netip"
)

// block is an address block that is not the public internet.
type block struct {
	prefix netip.Prefix
	name   string
}

// specialBlocks are the blocks that are not globally reachable unicast, after
// the IANA special-purpose address registries (RFC 6890,
// https://www.iana.org/assignments/iana-ipv4-special-registry and
// …/iana-ipv6-special-registry), plus multicast and the deprecated site-local
// block. Blocks within them that IANA marks as reachable (anycast relays and
// the like) are not services that one calls, and stay denied.
func specialBlocks() []block {
	return []block{
		{netip.MustParsePrefix("0.0.0.0/8"), "this network"},
		{netip.MustParsePrefix("10.0.0.0/8"), "private"},
		{netip.MustParsePrefix("100.64.0.0/10"), "carrier-grade NAT"},
		{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
		{netip.MustParsePrefix("169.254.0.0/16"), "link-local"}, // and cloud metadata services
		{netip.MustParsePrefix("172.16.0.0/12"), "private"},
		{netip.MustParsePrefix("192.0.0.0/24"), "IETF protocol assignments"},
		{netip.MustParsePrefix("192.0.2.0/24"), "documentation"},
		{netip.MustParsePrefix("192.88.99.0/24"), "6to4 relay anycast"},
		{netip.MustParsePrefix("192.168.0.0/16"), "private"},
		{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking"},
		{netip.MustParsePrefix("198.51.100.0/24"), "documentation"},
		{netip.MustParsePrefix("203.0.113.0/24"), "documentation"},
		{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
		{netip.MustParsePrefix("255.255.255.255/32"), "broadcast"},
		{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},

		{netip.MustParsePrefix("::/128"), "unspecified"},
		{netip.MustParsePrefix("::1/128"), "loopback"},
		{netip.MustParsePrefix("64:ff9b:1::/48"), "local-use NAT64"},
		{netip.MustParsePrefix("100::/64"), "discard-only"},
		{netip.MustParsePrefix("2001::/23"), "IETF protocol assignments"}, // and Teredo
		{netip.MustParsePrefix("2001:db8::/32"), "documentation"},
		{netip.MustParsePrefix("3fff::/20"), "documentation"},
		{netip.MustParsePrefix("5f00::/16"), "segment routing"},
		{netip.MustParsePrefix("fc00::/7"), "unique local"},
		{netip.MustParsePrefix("fe80::/10"), "link-local"},
		{netip.MustParsePrefix("fec0::/10"), "site-local"},
		{netip.MustParsePrefix("ff00::/8"), "multicast"},
		// The rest of IPv6: IANA has allocated nothing else for global unicast
		// (https://www.iana.org/assignments/ipv6-address-space).
		{netip.MustParsePrefix("::/3"), "not global unicast"},
		{netip.MustParsePrefix("4000::/2"), "not global unicast"},
		{netip.MustParsePrefix("8000::/1"), "not global unicast"},
	}
}

// CheckAddr is the rule itself: it returns nil for a public unicast address and
// for one in Policy.AllowNetworks, and a [DeniedError] for every other.
//
// An IPv6 address that carries an IPv4 address is judged by the latter alone:
// IPv4-mapped (RFC 4291 §2.5.5.2), NAT64's 64:ff9b::/96 (RFC 6052 §2.1) and
// 6to4's 2002::/16 (RFC 3056 §2). A NAT64 with a prefix of its own cannot be
// recognised; do not run this suite behind one that reaches private networks.
func (g *Guard) CheckAddr(a netip.Addr) error {
	if !a.IsValid() {
		return denied(RuleAddress, "the address is missing")
	}
	if a.Zone() != "" {
		return denied(RuleAddress, "%s has a zone, which only link-local addresses need", a.WithZone(""))
	}
	a = a.Unmap()
	judged, carrier := a, ""
	if v4, ok := embedded(a); ok {
		judged, carrier = v4, " in "+a.String()
	}
	for _, allowed := range g.allow {
		if allowed.Contains(judged) {
			return nil
		}
	}
	for _, special := range g.special {
		if special.prefix.Contains(judged) {
			return denied(RuleAddress, "%s%s is not public (%s, %s)", judged, carrier, special.name, special.prefix)
		}
	}
	return nil
}

// embedded returns the IPv4 address that the network would forward a packet for
// a to, if a is one of the well-known forms that carry one.
func embedded(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return netip.Addr{}, false
	}
	b := a.As16()
	switch {
	case netip.MustParsePrefix("64:ff9b::/96").Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16])), true
	case netip.MustParsePrefix("2002::/16").Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	default:
		return netip.Addr{}, false
	}
}
