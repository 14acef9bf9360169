package dpop_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/sdk/dpop"
)

func at(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u
}

func TestNonces(t *testing.T) {
	var nonces dpop.Nonces
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	api := at(t, "https://api.example/a?x=1")
	require.Empty(t, nonces.For(api))
	_, heard := nonces.Heard(api)
	require.Zero(t, heard)

	require.Empty(t, nonces.Learn(api, http.Header{}, begin), "it answered without one")
	nonce, heard := nonces.Heard(api)
	require.Empty(t, nonce)
	require.Equal(t, begin, heard)

	require.Equal(t, "n1", nonces.Learn(api, headers(dpop.HeaderNonce, "n1"), begin.Add(time.Second)))
	require.Empty(t, nonces.Learn(api, http.Header{}, begin.Add(time.Minute)))
	nonce, heard = nonces.Heard(at(t, "HTTPS://API.example:443/b"))
	require.Equal(t, "n1", nonce, "the same server; an answer without a nonce says nothing")
	require.Equal(t, begin.Add(time.Second), heard)
	for _, other := range []string{"http://api.example/", "https://api.example:8443/", "https://as.example/"} {
		require.Empty(t, nonces.For(at(t, other)), other)
	}
	nonces.Learn(api, headers(dpop.HeaderNonce, "n2"), begin)
	require.Equal(t, "n2", nonces.For(api))
}

func TestNoncesAreBounded(t *testing.T) {
	var nonces dpop.Nonces
	const servers = 5000
	kept := 0
	for i := range servers {
		nonces.Learn(at(t, fmt.Sprintf("https://h%d.example/", i)), headers(dpop.HeaderNonce, "n"), time.Now())
	}
	for i := range servers {
		if nonces.For(at(t, fmt.Sprintf("https://h%d.example/", i))) != "" {
			kept++
		}
	}
	require.Equal(t, 4096, kept)
}
