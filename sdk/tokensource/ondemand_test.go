package tokensource_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/sdk/tokensource"
)

// TestRequestsAskForTokensOnDemand: nobody refreshes such a token ahead, so a request that finds it expired asks for the next.
func TestRequestsAskForTokensOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := bearer(1, "first", time.Hour)
		first.NextRefreshTime = nil
		server := newTokenServer(first)
		server.onGet = func(time.Duration) (*tokenv1.Token, error) {
			next := bearer(2, "second", time.Hour)
			next.NextRefreshTime = nil
			server.push(next)
			return next, nil
		}
		backend := &api{}
		source := newSource(t, server, tokensource.WithExpirySkew(10*time.Second))
		client := &http.Client{Transport: source.RoundTripper(serveHTTP(t, backend))}
		get := func() {
			response, err := client.Get("http://localhost/")
			require.NoError(t, err)
			bodyOf(t, response)
		}
		get()
		require.Empty(t, server.asked())
		time.Sleep(time.Hour - 5*time.Second)
		get() // within the skew
		server.push(in(bearer(2, "second", time.Hour), tokenv1.Token_AUTHORIZING, errorsv1.Reason_TOKEN_EXPIRED))
		synctest.Wait()
		get()
		require.Equal(t, []string{"Bearer first", "Bearer second", "Bearer second"}, backend.seen("Authorization"))
		require.Len(t, server.asked(), 2)
	})
}
