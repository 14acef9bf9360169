package tokensource_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/sdk/tokensource"
)

// TestRequestsWaitForATokenThatIsReplaced: a request begun now would meet a dead token.
func TestRequestsWaitForATokenThatIsReplaced(t *testing.T) {
	for _, test := range []struct {
		name string
		then func(*tokenServer)
		want string
		wait time.Duration
	}{
		{"replaced", func(s *tokenServer) { s.push(bearer(2, "second", time.Hour)) }, "Bearer second", time.Second},
		{"nothing comes", func(*tokenServer) {}, "Bearer first", 2 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first := bearer(1, "first", time.Hour)
				server := newTokenServer(first)
				backend := &api{}
				source := newSource(t, server)
				client := &http.Client{Transport: source.RoundTripper(serveHTTP(t, backend))}
				held, _ := proto.Clone(first).(*tokenv1.Token)
				held.HoldUntil = timestamppb.New(time.Now().Add(2 * time.Second))
				server.push(held)
				synctest.Wait()
				began := time.Now()
				time.AfterFunc(time.Second, func() { test.then(server) })
				response, err := client.Get("http://localhost/")
				require.NoError(t, err)
				bodyOf(t, response)
				require.Equal(t, []string{test.want}, backend.seen("Authorization"))
				require.Equal(t, test.wait, time.Since(began))
			})
		})
	}
}

// TestHoldIsBounded: a wrong clock does not keep requests for ever.
func TestHoldIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := bearer(1, "first", time.Hour)
		first.HoldUntil = timestamppb.New(time.Now().Add(time.Hour))
		server := newTokenServer(first)
		source, err := tokensource.New(t.Context(), server.serve(t), connection)
		require.NoError(t, err)
		defer func() { require.NoError(t, source.Close()) }()
		began := time.Now()
		client := &http.Client{Transport: source.RoundTripper(serveHTTP(t, &api{}))}
		response, err := client.Get("http://localhost/")
		require.NoError(t, err)
		bodyOf(t, response)
		require.Equal(t, 5*time.Second, time.Since(began))
	})
}
