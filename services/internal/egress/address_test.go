package egress_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/egress"
)

func TestCheckAddr(t *testing.T) {
	t.Parallel()
	guard := egress.NewGuard(egress.Policy{}, egress.Options{})
	// Both ends of every denied block, and what lies next to it.
	public := []string{
		"1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
		"169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0",
		"192.0.3.0", "192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
		"198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255",
		"2000::", "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::", "2001:db7:ffff::", "2001:db9::",
		"2003::", "3ffe:ffff::", "3fff:1000::", "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2a00::1",
		"::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::",
	}
	private := []string{
		"0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.0",
		"127.255.255.255", "169.254.0.0", "169.254.255.255", "172.16.0.0", "172.31.255.255", "192.0.0.0",
		"192.0.0.255", "192.0.2.0", "192.0.2.255", "192.88.99.0", "192.88.99.255", "192.168.0.0",
		"192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.0", "198.51.100.255", "203.0.113.0",
		"203.0.113.255", "224.0.0.0", "239.255.255.255", "240.0.0.0", "255.255.255.254", "255.255.255.255",
		"::", "::1", "::2", "::8.8.8.8", "::fffe:8.8.8.8", "::ffff:0:8.8.8.8", "64:ff9a::1", "64:ff9b:0:1::1", "64:ff9b:1::",
		"64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "100::", "100::ffff:ffff:ffff:ffff", "100:0:0:1::",
		"1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
		"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
		"4000::", "5f00::", "5f00:ffff::", "7fff::", "8000::", "fbff::", "fc00::", "fdff:ffff::", "fe00::", "fe80::",
		"febf::", "fec0::", "feff::", "ff00::", "ff02::fb", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"::ffff:0.0.0.0", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:255.255.255.255",
		"64:ff9b::", "64:ff9b::10.0.0.1", "64:ff9b::192.168.0.1", "64:ff9b::224.0.0.1",
		"2002::", "2002:a00:1::", "2002:7f00:1::1", "2002:a9fe:a9fe::", "2002:c0a8:101:1::1", "2002:ffff:ffff::",
		"2a00::1%eth0", "fe80::1%1", "::ffff:1.1.1.1%lo",
	}
	for _, text := range public {
		require.NoError(t, guard.CheckAddr(netip.MustParseAddr(text)), text)
	}
	for _, text := range private {
		err := guard.CheckAddr(netip.MustParseAddr(text))
		var denied *egress.DeniedError
		require.ErrorAs(t, err, &denied, text)
		require.Equal(t, egress.RuleAddress, denied.Rule)
	}
	require.True(t, egress.IsDenied(guard.CheckAddr(netip.Addr{})))
}

func TestAllowedNetworks(t *testing.T) {
	t.Parallel()
	check := func(entries []string, address string) error {
		t.Helper()
		networks, err := egress.ParseNetworks(entries)
		require.NoError(t, err)
		guard := egress.NewGuard(egress.Policy{AllowNetworks: networks}, egress.Options{})
		return guard.CheckAddr(netip.MustParseAddr(address))
	}
	for _, c := range []struct {
		entries []string
		address string
		allowed bool
	}{
		{[]string{"10.0.0.0/8"}, "10.255.0.1", true},
		{[]string{"10.0.0.0/8"}, "::ffff:10.255.0.1", true},
		{[]string{"10.0.0.0/8"}, "64:ff9b::10.255.0.1", true},
		{[]string{"10.0.0.0/8"}, "2002:aff:1::", true},
		{[]string{"10.0.0.0/8"}, "11.0.0.1", true},
		{[]string{"10.0.0.0/8"}, "192.168.0.1", false},
		{[]string{"::ffff:10.0.0.0/104"}, "10.1.1.1", true},
		{[]string{"::ffff:10.0.0.1"}, "10.0.0.1", true},
		// What carries an IPv4 address is judged by that alone.
		{[]string{"::/0"}, "::ffff:10.0.0.1", false},
		{[]string{"64:ff9b::/96"}, "64:ff9b::10.0.0.1", false},
		{[]string{"2002::/16"}, "2002:a00:1::", false},
		{[]string{"64:ff9b:1::/48"}, "64:ff9b:1::10.0.0.1", true},
		{[]string{"127.0.0.1"}, "127.0.0.1", true},
		{[]string{"127.0.0.1"}, "127.0.0.2", false},
		{[]string{" loopback "}, "127.9.9.9", true},
		{[]string{"loopback"}, "::1", true},
		{[]string{"loopback"}, "10.0.0.1", false},
		{[]string{"private"}, "192.168.3.4", true},
		{[]string{"private"}, "172.31.0.1", true},
		{[]string{"private"}, "fd12::1", true},
		{[]string{"private"}, "169.254.169.254", false},
		{[]string{"private"}, "127.0.0.1", false},
		{[]string{"private"}, "100.64.0.1", false},
		{[]string{"private", "169.254.169.254"}, "169.254.169.254", true},
		{[]string{"fe80::/10"}, "fe80::1%eth0", false},
		{[]string{"0.0.0.0/0"}, "169.254.169.254", true},
		{nil, "10.0.0.1", false},
	} {
		err := check(c.entries, c.address)
		require.Equal(t, !c.allowed, egress.IsDenied(err), "%v %s: %v", c.entries, c.address, err)
	}
}

func TestParseNetworksRefuses(t *testing.T) {
	t.Parallel()
	for entry, says := range map[string]string{
		"":                  "want a network",
		"localhost":         "want a network",
		"10.0.0.0/33":       "want a network",
		"10.0.0/8":          "want a network",
		"010.0.0.0/8":       "want a network",
		"10.0.0.0-10.0.0.9": "want a network",
		"Loopback":          "want a network",
		"10.0.0.1/8":        "did you mean 10.0.0.0/8?",
		"fd00::1/8":         "did you mean fd00::/8?",
		"fe80::1%eth0":      "zone",
		"::ffff:0:0/90":     "at least 96",
	} {
		networks, err := egress.ParseNetworks([]string{"10.0.0.0/8", entry})
		require.ErrorContains(t, err, says, entry)
		require.ErrorContains(t, err, `"`+entry+`"`)
		require.Nil(t, networks)
	}
	networks, err := egress.ParseNetworks(nil)
	require.NoError(t, err)
	require.Empty(t, networks)
}
