package catalog_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/connection/catalog"
)

// TestValuesStayInTheirPlace has values that would lead elsewhere if they were put into a URL as they are.
func TestValuesStayInTheirPlace(t *testing.T) {
	for _, text := range []string{
		"", ".", "..", "a..b", ".a", "a.", "a/b", "a?b", "a#b", "a@b", "a:b", `a\b`, "a%2fb", "a b", "a\n", "ä", "{x}", "evil.example/",
	} {
		_, err := catalog.Render("https://{x}.acme.example/{x}", map[string]catalog.Value{"x": {Text: text}})
		require.ErrorContains(t, err, "{x} may have letters", "%q", text)
	}
	for _, text := range []string{
		"", "a/b", "me@a.example", "a.example:0", "a.example:99999", "a.example:", "a..example", "-a.example", "a-.example", "a_b.example",
		"[::1]", "a.example?x", "a.example#x", "a b", "https://a.example", ".", "a.",
	} {
		_, err := catalog.Render("https://{x}/token", map[string]catalog.Value{"x": {Kind: catalog.KindHost, Text: text}})
		require.ErrorContains(t, err, "{x} must", "%q", text)
	}
	for _, text := range []string{
		"", "http://a.example", "https://", "https://me@a.example", "https://a.example?x", "https://a.example#x", "//a.example", "a.example",
		"javascript:alert(1)", "https://a b",
	} {
		_, err := catalog.Render("{x}/v1", map[string]catalog.Value{"x": {Kind: catalog.KindURL, Text: text}})
		require.ErrorContains(t, err, "{x} must be an https URL", "%q", text)
	}
	_, err := catalog.Render("https://{y}.example", nil)
	require.ErrorContains(t, err, "there is no value for {y}")
}

func TestRender(t *testing.T) {
	text, err := catalog.Render("https://{shop}.acme.example/{shop}/x", map[string]catalog.Value{"shop": {Text: "a-1.b_c~d"}})
	require.NoError(t, err)
	require.Equal(t, "https://a-1.b_c~d.acme.example/a-1.b_c~d/x", text)
	text, err = catalog.Render("https://{host}/token", map[string]catalog.Value{"host": {Kind: catalog.KindHost, Text: "git.example.com:8443"}})
	require.NoError(t, err)
	require.Equal(t, "https://git.example.com:8443/token", text)
	text, err = catalog.Render("{instance_url}/v1", map[string]catalog.Value{"instance_url": {Kind: catalog.KindURL, Text: "https://eu1.acme.example/"}})
	require.NoError(t, err)
	require.Equal(t, "https://eu1.acme.example/v1", text)
}
