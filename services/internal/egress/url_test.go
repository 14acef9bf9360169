package egress_test

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/internal/egress"
)

// canary is put where a secret could be; no error may repeat it.
const canary = "s3cr3t-canary"

// urlCases are spellings and tricks, with the rule of the strictest policy that
// refuses each; "" for none.
func urlCases() map[string]string {
	return map[string]string{
		// Accepted: names, and plainly written public addresses.
		"https://api.example.com":                      "",
		"https://api.example.com/":                     "",
		"HTTPS://API.Example.COM/Path":                 "",
		"https://api.example.com./rooted":              "",
		"https://api.example.com:8443/v1?q=1&r=%20":    "",
		"https://api.example.com:/empty-port":          "",
		"https://under_score.example.com":              "",
		"https://xn--bcher-kva.example":                "",
		"https://bücher.example":                       "",
		"https://1.example.com":                        "",
		"https://0x7f.example":                         "",
		"https://1e100.net":                            "",
		"https://localhost":                            "", // a name: judged by its address at dial
		"https://metadata.google.internal":             "",
		"https://127.0.0.1.nip.io":                     "",
		"https://8.8.8.8":                              "",
		"https://192.31.196.1":                         "",
		"https://172.15.255.255":                       "",
		"https://172.32.0.0":                           "",
		"https://100.63.255.255":                       "",
		"https://223.255.255.255":                      "",
		"https://[2606:4700:4700::1111]":               "",
		"https://[2606:4700:4700::1111]:8443/":         "",
		"https://[::ffff:8.8.8.8]":                     "",
		"https://[64:ff9b::8.8.8.8]":                   "",
		"https://[2002:808:808::1]":                    "",
		"https://８.８.８.８":                              "", // dialled as 8.8.8.8, judged as such
		"https://api.example.com/a//b/../c;x=y":        "",
		"https://api.example.com/?next=http://x@y:1/z": "",

		// Not a URL, or not absolute.
		"":                                egress.RuleURL,
		"/path":                           egress.RuleURL,
		"//api.example.com/":              egress.RuleURL,
		"api.example.com":                 egress.RuleURL,
		"api.example.com/path":            egress.RuleURL,
		"127.0.0.1:8080":                  egress.RuleURL,
		"://api.example.com":              egress.RuleURL,
		" https://api.example.com":        egress.RuleURL,
		"https://api.example.com\n":       egress.RuleURL,
		"https://api\t.example.com":       egress.RuleURL,
		"https://a\x00.example.com":       egress.RuleURL,
		"https://api example.com/":        egress.RuleURL,
		"https://%31%32%37.0.0.1/":        egress.RuleURL,
		"https://127.0.0.1%00.a.com/":     egress.RuleURL,
		"https://a.com\\@127.0.0.1/":      egress.RuleURL,
		"https://a.com\\.127.0.0.1":       egress.RuleURL,
		"https://[::1":                    egress.RuleURL,
		"https://::1/":                    egress.RuleURL,
		"https://a.com:port/":             egress.RuleURL,
		"https://a.com:-1/":               egress.RuleURL,
		"https://a.com:80:80/":            egress.RuleURL,
		"https://user:p#" + canary + "@h": egress.RuleURL,
		"https://h:" + canary:             egress.RuleURL,
		"https://a.com/%zz" + canary:      egress.RuleURL,
		"https://[127.0.0.1]/":            egress.RuleURL,
		"https://[v1.fe80::a]/":           egress.RuleURL,
		"https://[a.com]/":                egress.RuleURL,

		// Schemes.
		"http://api.example.com":       egress.RuleScheme,
		"HTTP://api.example.com":       egress.RuleScheme,
		"http://8.8.8.8/":              egress.RuleScheme,
		"ftp://api.example.com":        egress.RuleScheme,
		"file:///etc/passwd":           egress.RuleScheme,
		"gopher://127.0.0.1:6379/_x":   egress.RuleScheme,
		"ws://api.example.com":         egress.RuleScheme,
		"unix:///var/run/docker.sock":  egress.RuleScheme,
		"data:text/plain," + canary:    egress.RuleScheme,
		"javascript:alert(1)":          egress.RuleScheme,
		"httpss://api.example.com":     egress.RuleScheme,
		"https+unix://api.example.com": egress.RuleScheme,

		// Parts that have no place in it.
		"https://user@api.example.com/":                   egress.RuleUserinfo,
		"https://user:" + canary + "@api.example.com":     egress.RuleUserinfo,
		"https://@api.example.com/":                       egress.RuleUserinfo,
		"https://:@api.example.com/":                      egress.RuleUserinfo,
		"https://api.example.com@127.0.0.1/":              egress.RuleUserinfo,
		"https://api.example.com:443@127.0.0.1":           egress.RuleUserinfo,
		"https://api.example.com#":                        egress.RuleFragment,
		"https://api.example.com/#" + canary:              egress.RuleFragment,
		"https://api.example.com#@127.0.0.1/":             egress.RuleFragment,
		"https://api.example.com:0/":                      egress.RulePort,
		"https://api.example.com:65536/":                  egress.RulePort,
		"https://api.example.com:99999999999999999999999": egress.RulePort,

		// Hosts.
		"https:":                  egress.RuleHost,
		"https:///path":           egress.RuleHost,
		"https:api.example.com":   egress.RuleHost,
		"https://:443/":           egress.RuleHost,
		"https://?q":              egress.RuleHost,
		"https://./":              egress.RuleHost,
		"https://a..example.com":  egress.RuleHost,
		"https://.example.com":    egress.RuleHost,
		"https://example.com../":  egress.RuleHost,
		"https://a,b.example.com": egress.RuleHost,
		"https://a'b.example.com": egress.RuleHost,
		"https://*.example.com":   egress.RuleHost,
		"https://" + strings.Repeat("a", 64) + ".com":  egress.RuleHost,
		"https://" + strings.Repeat("a.", 127) + "com": egress.RuleHost,
		"https://\u202eexample.com":                    egress.RuleHost,
		"https://2130706433/":                          egress.RuleHost, // 127.0.0.1 in other spellings
		"https://017700000001/":                        egress.RuleHost,
		"https://0x7f000001/":                          egress.RuleHost,
		"https://0X7F000001/":                          egress.RuleHost,
		"https://0x7f.1/":                              egress.RuleHost,
		"https://0x7f.0x0.0x0.0x1/":                    egress.RuleHost,
		"https://0177.0.0.1/":                          egress.RuleHost,
		"https://0177.0.0.01/":                         egress.RuleHost,
		"https://127.1/":                               egress.RuleHost,
		"https://127.0.1/":                             egress.RuleHost,
		"https://127.0.0.1./":                          egress.RuleHost,
		"https://127.0.0.01/":                          egress.RuleHost,
		"https://127.0.0.0x1/":                         egress.RuleHost,
		"https://127.0.0.256/":                         egress.RuleHost,
		"https://127.0.0.1.1/":                         egress.RuleHost,
		"https://0/":                                   egress.RuleHost,
		"https://0x/":                                  egress.RuleHost,
		"https://4294967296/":                          egress.RuleHost,
		"https://169.254.43518/":                       egress.RuleHost,
		"https://2852039166/latest/meta-data":          egress.RuleHost,
		"https://example.com.1/":                       egress.RuleHost,
		"https://8.8.2056/":                            egress.RuleHost, // public, and ambiguous all the same
		"https://⑫７.1/":                                egress.RuleHost,
		"https://0x7f。1/":                              egress.RuleHost,

		// Addresses.
		"https://0.0.0.0/":                    egress.RuleAddress,
		"https://0.1.2.3/":                    egress.RuleAddress,
		"https://10.0.0.1/":                   egress.RuleAddress,
		"https://100.64.0.1/":                 egress.RuleAddress,
		"https://127.0.0.1/":                  egress.RuleAddress,
		"https://127.255.255.254/":            egress.RuleAddress,
		"https://169.254.169.254/":            egress.RuleAddress,
		"https://172.16.0.1/":                 egress.RuleAddress,
		"https://172.31.255.255/":             egress.RuleAddress,
		"https://192.168.1.1:8443/":           egress.RuleAddress,
		"https://255.255.255.255/":            egress.RuleAddress,
		"https://127。0。0。1/":                  egress.RuleAddress,
		"https://１２７.０.０.１/":                  egress.RuleAddress,
		"https://①②⑦.⓪.⓪.①/":                  egress.RuleAddress,
		"https://[::]/":                       egress.RuleAddress,
		"https://[::1]:8443/":                 egress.RuleAddress,
		"https://[0:0:0:0:0:0:0:1]/":          egress.RuleAddress,
		"https://[0000:0000::0001]/":          egress.RuleAddress,
		"https://[::ffff:127.0.0.1]/":         egress.RuleAddress,
		"https://[::FFFF:7F00:1]/":            egress.RuleAddress,
		"https://[0:0:0:0:0:ffff:a9fe:a9fe]/": egress.RuleAddress,
		"https://[::127.0.0.1]/":              egress.RuleAddress,
		"https://[::ffff:0:127.0.0.1]/":       egress.RuleAddress,
		"https://[64:ff9b::127.0.0.1]/":       egress.RuleAddress,
		"https://[64:ff9b::a9fe:a9fe]/":       egress.RuleAddress,
		"https://[64:ff9b:1::8.8.8.8]/":       egress.RuleAddress,
		"https://[2002:7f00:1::1]/":           egress.RuleAddress,
		"https://[2002:a00:1::]/":             egress.RuleAddress,
		"https://[2001::1]/":                  egress.RuleAddress,
		"https://[fd00:ec2::254]/":            egress.RuleAddress,
		"https://[fe80::1]/":                  egress.RuleAddress,
		"https://[fe80::1%25eth0]/":           egress.RuleAddress,
		"https://[2606:4700::1%25eth0]/":      egress.RuleAddress,
		"https://[::ffff:8.8.8.8%25lo]/":      egress.RuleAddress,
		"https://[ff02::1]/":                  egress.RuleAddress,
	}
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	guard := egress.NewGuard(egress.Policy{}, egress.Options{})
	for raw, rule := range urlCases() {
		u, err := guard.CheckURL(raw)
		if rule == "" {
			require.NoError(t, err, raw)
			want, err := url.Parse(raw)
			require.NoError(t, err)
			require.Equal(t, want, u, raw)
			continue
		}
		var denied *egress.DeniedError
		require.ErrorAs(t, err, &denied, raw)
		require.Equal(t, rule, denied.Rule, "%s: %v", raw, err)
		require.Nil(t, u)
		require.True(t, egress.IsDenied(err))
		require.NotContains(t, err.Error(), canary)
	}
}

// TestCheckURLWidened shows what the settings change, and that they change
// nothing else.
func TestCheckURLWidened(t *testing.T) {
	t.Parallel()
	networks, err := egress.ParseNetworks([]string{"loopback", "10.1.0.0/16"})
	require.NoError(t, err)
	guard := egress.NewGuard(egress.Policy{AllowNetworks: networks, AllowHTTP: true}, egress.Options{})
	widened := map[string]bool{
		"http://api.example.com": true, "HTTP://api.example.com": true, "http://8.8.8.8/": true,
		"https://127.0.0.1/": true, "https://127.255.255.254/": true, "https://[::1]:8443/": true,
		"https://[0:0:0:0:0:0:0:1]/": true, "https://[0000:0000::0001]/": true,
		"https://[::ffff:127.0.0.1]/": true, "https://[::FFFF:7F00:1]/": true,
		"https://[64:ff9b::127.0.0.1]/": true, "https://[2002:7f00:1::1]/": true,
		"https://127。0。0。1/": true, "https://１２７.０.０.１/": true, "https://①②⑦.⓪.⓪.①/": true,
	}
	for raw, rule := range urlCases() {
		_, err := guard.CheckURL(raw)
		if rule == "" || widened[raw] {
			require.NoError(t, err, raw)
			continue
		}
		require.True(t, egress.IsDenied(err), raw)
	}
	for raw, allowed := range map[string]bool{
		"http://10.1.2.3/": true, "http://[::ffff:10.1.2.3]/": true,
		"http://10.2.0.1/": false, "http://169.254.169.254/": false, "http://[fe80::1]/": false,
	} {
		_, err := guard.CheckURL(raw)
		require.Equal(t, !allowed, egress.IsDenied(err), raw)
	}
}

func TestDeniedErrorSaysWhatIsAllowed(t *testing.T) {
	t.Parallel()
	guard := egress.NewGuard(egress.Policy{}, egress.Options{})
	_, err := guard.CheckURL("http://api.example.com")
	require.EqualError(t, err, "egress denied (scheme): http sends secrets in clear text; allowed: https, and http if an operator sets egress.allow_http (FRESHET_EGRESS_ALLOW_HTTP)")
	_, err = guard.CheckURL("https://[64:ff9b::a00:1]")
	require.EqualError(t, err, "egress denied (address): 10.0.0.1 in 64:ff9b::a00:1 is not public (private, 10.0.0.0/8); allowed: public addresses, and the networks that an operator lists in egress.allow (FRESHET_EGRESS_ALLOW)")
	_, err = guard.CheckURL("https://0x7f.1")
	require.ErrorContains(t, err, "write four decimal numbers")
}

func FuzzCheckURL(f *testing.F) {
	for raw := range urlCases() {
		f.Add(raw)
	}
	guard := egress.NewGuard(egress.Policy{}, egress.Options{})
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := guard.CheckURL(raw)
		if err != nil {
			require.True(t, egress.IsDenied(err))
			return
		}
		require.Equal(t, "https", u.Scheme)
		require.Nil(t, u.User)
		require.NotContains(t, raw, "#")
		require.NotEmpty(t, u.Hostname())
		if address, err := netip.ParseAddr(u.Hostname()); err == nil {
			require.NoError(t, guard.CheckAddr(address))
		}
		again, err := guard.CheckURL(u.String())
		require.NoError(t, err, "what is accepted is accepted as it is written out")
		require.Equal(t, u.Host, again.Host)
	})
}
