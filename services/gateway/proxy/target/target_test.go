package target_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/gateway/proxy/target"
)

const connection = "projects/p/connections/crm"

func TestParse(t *testing.T) {
	for path, want := range map[string]target.Call{
		"":                    {Connection: connection, Token: connection + "/token"},
		"/":                   {Connection: connection, Token: connection + "/token"},
		"/v2/items/7":         {Connection: connection, Token: connection + "/token", Path: "v2/items/7"},
		"/v2/items/":          {Connection: connection, Token: connection + "/token", Path: "v2/items/"},
		"/a%20b/c..d/...":     {Connection: connection, Token: connection + "/token", Path: "a%20b/c..d/..."},
		"/100%25/x":           {Connection: connection, Token: connection + "/token", Path: "100%25/x"},
		"/grants/u-1":         {Connection: connection, Token: connection + "/grants/u-1/token"},
		"/grants/u-1/me":      {Connection: connection, Token: connection + "/grants/u-1/token", Path: "me"},
		"/grantsx/u-1":        {Connection: connection, Token: connection + "/token", Path: "grantsx/u-1"},
		"/x;v=1/https:%20y":   {Connection: connection, Token: connection + "/token", Path: "x;v=1/https:%20y"},
		"/drive/root:/a.txt:": {Connection: connection, Token: connection + "/token", Path: "drive/root:/a.txt:"},
	} {
		call, ok, err := target.Parse("/proxy/v1/" + connection + path)
		require.NoError(t, err, path)
		require.True(t, ok, path)
		require.Equal(t, want, call, path)
	}
	for _, path := range []string{
		"/proxy/v1/projects/p", "/proxy/v1/projects/P/connections/crm/x", "/proxy/v1/projects/p/connections/..", "/proxy/v1/projects/p/connections/a%2Fb/x",
		"/proxy/v1/projects/p/connections//x", "/proxy/v1/" + connection + "/grants/..", "/proxy/v1/" + connection + "/grants/", "/v1/" + connection,
	} {
		_, ok, err := target.Parse(path)
		require.False(t, ok && err == nil, path)
	}
}

// TestSlashesWithinSegments: only APIs that want them get them, and no step upwards by them.
func TestSlashesWithinSegments(t *testing.T) {
	for path, slashes := range map[string]bool{"projects/a%2Fb/files/c%2fd.txt": true, "projects/a/b": false, "a%20b": false} {
		call, ok, err := target.Parse("/proxy/v1/" + connection + "/" + path)
		require.NoError(t, err, path)
		require.True(t, ok)
		require.Equal(t, slashes, call.Slashes, path)
		require.Equal(t, slashes, call.CheckSlashes() != nil)
	}
}

// TestRefusedPaths: whatever some server could take for a way out.
func TestRefusedPaths(t *testing.T) {
	for _, path := range []string{
		"a%2F..%2Fb", "%2Fa", "a%2F", "a%2F%2Fb", "a%2F.", "a%2F%252e%252e", "a%2F..;x", "a%2Fb%252Fc",
		"..", "../x", "x/..", "x/../../y", ".", "x/./y", "%2e%2e", "%2E%2E/x", ".%2e/x", "%2e./x", "..;/x", "..;a=b/x", "%2e%2e%3b/x",
		"..%2fx", "a%5Cb", "a%5cb", `a\b`, `..\x`, "%252e%252e/x", "%252e%252e%252fx", "a%252fb", "a%255cb",
		"//evil.example/x", "/evil.example", "a//b", "a%0d%0aX-Evil:%201", "a%00b", "a%7fb", "a%250ab", "a%zz",
	} {
		_, _, err := target.Parse("/proxy/v1/" + connection + "/" + path)
		var refused *target.RefusedError
		require.ErrorAs(t, err, &refused, path)
	}
}

func TestURL(t *testing.T) {
	for _, c := range []struct{ base, host, path, query, want string }{
		{"https://api.example/v2", "", "items/7", "a=b&c=%2F", "https://api.example/v2/items/7?a=b&c=%2F"},
		{"https://api.example/v2/", "", "items/", "", "https://api.example/v2/items/"},
		{"https://api.example/v2", "", "", "", "https://api.example/v2"},
		{"https://api.example", "", "", "", "https://api.example/"},
		{"https://api.example:8443", "", "a%20b", "", "https://api.example:8443/a%20b"},
		{"https://api.example/v2", "Files.example", "x", "", "https://Files.example/x"},
		{"https://api.example/v2", "api.example", "x", "", "https://api.example/v2/x"},
		{"https://api.example", "", "evil.example/x", "", "https://api.example/evil.example/x"},
	} {
		u, err := target.URL(c.base, []string{"files.example"}, c.host, c.path, c.query)
		require.NoError(t, err)
		require.Equal(t, c.want, u.String())
	}
	for _, host := range []string{"evil.example", "files.example:81", "files.example@evil.example", "files.example/x"} {
		_, err := target.URL("https://api.example", []string{"files.example"}, host, "x", "")
		var refused *target.RefusedError
		require.ErrorAs(t, err, &refused, host)
	}
}

func TestSameOrigin(t *testing.T) {
	of, err := url.Parse("https://api.example/v2/x")
	require.NoError(t, err)
	for reference, want := range map[string]bool{
		"/v2/y": true, "y": true, "https://api.example/z": true, "https://API.example:443/z": true, "?page=2": true,
		"//evil.example/": false, "https://evil.example": false, "http://api.example/": false, "https://api.example:8443/": false,
		"https://user@api.example/": false, "https://api.example.evil.example/": false, `\\evil.example`: false, "/\t/evil.example": false,
		"javascript:alert(1)": false, "%zz": false,
	} {
		require.Equal(t, want, target.SameOrigin(of, reference), reference)
	}
}

func TestWithout(t *testing.T) {
	require.Equal(t, "a=1&b=%20", target.Without("a=1&key=x&b=%20&k%65y=y&key", []string{"key"}))
	require.Equal(t, "a=1", target.Without("a=1", nil))
}
