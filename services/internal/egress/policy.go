package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Policy is what an operator allows beyond the default. The zero value is the
// strictest: https to public addresses.
type Policy struct {
	// AllowNetworks are networks that may be called although they are not
	// public, as [ParseNetworks] returns them. It never narrows.
	AllowNetworks []netip.Prefix
	// AllowHTTP permits the http scheme. The rules on addresses stay as they
	// are: it permits clear text, not private targets.
	AllowHTTP bool
}

// ParseNetworks reads the setting egress.allow. An entry is
//
//   - a network, "10.0.0.0/8" or "fd00::/8", written without host bits;
//   - a single address, "127.0.0.1" or "::1";
//   - "loopback": 127.0.0.0/8 and ::1;
//   - "private": 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 (RFC 1918) and
//     fc00::/7 (RFC 4193). Not link-local, where clouds keep their metadata
//     services: who needs that must write it out.
//
// Space around an entry is ignored. IPv4-mapped entries mean the IPv4 network.
// The error names the entry.
func ParseNetworks(list []string) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, entry := range list {
		parsed, err := parseEntry(strings.TrimSpace(entry))
		if err != nil {
			return nil, fmt.Errorf("egress: network %q: %w", entry, err)
		}
		networks = append(networks, parsed...)
	}
	return networks, nil
}

func parseEntry(entry string) ([]netip.Prefix, error) {
	switch entry {
	case "loopback":
		return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}, nil
	case "private":
		return []netip.Prefix{
			netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"),
			netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("fc00::/7"),
		}, nil
	}
	if address, err := netip.ParseAddr(entry); err == nil {
		if address.Zone() != "" {
			return nil, errors.New("an address must not have a zone")
		}
		address = address.Unmap()
		return []netip.Prefix{netip.PrefixFrom(address, address.BitLen())}, nil
	}
	network, err := netip.ParsePrefix(entry)
	if err != nil {
		return nil, errors.New(`want a network such as 10.0.0.0/8, an address, "loopback" or "private"`)
	}
	if network.Addr().Is4In6() {
		if network.Bits() < 96 {
			return nil, errors.New("an IPv4-mapped network needs a prefix length of at least 96; write the IPv4 network")
		}
		network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
	}
	if network != network.Masked() {
		return nil, fmt.Errorf("it has bits beyond its prefix length; did you mean %s?", network.Masked())
	}
	return []netip.Prefix{network}, nil
}
