package sink_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/bench/sink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ids  = 10
	size = 64
)

// serve runs a sink for the time of a test.
func serve(t *testing.T, config sink.Config) *sink.Client {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan map[string]string, 1), make(chan error, 1)
	go func() {
		ended <- sink.Serve(ctx, config, func(addrs map[string]string) error {
			ready <- addrs
			return nil
		})
	}()
	client := sink.NewClient(<-ready)
	t.Cleanup(func() {
		client.Close()
		cancel()
		require.NoError(t, <-ended)
	})
	return client
}

func post(t *testing.T, client *sink.Client, header, value string, body []byte) int {
	t.Helper()
	url := client.PostURLs[rand.IntN(len(client.PostURLs))]
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	require.NoError(t, err)
	request.Header.Set(header, value)
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := transport.RoundTrip(request)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return answer.StatusCode
}

func TestSinkCountsWhatArrives(t *testing.T) {
	client := serve(t, sink.Config{IDs: ids, BodyBytes: size, Addresses: 3, APIKey: "key", ClientID: "c", ClientSecret: "s"})
	require.Len(t, client.PostURLs, 3)
	bodies := sink.NewBodies(size)
	begin := time.Now()
	for id := range ids {
		if id != 7 {
			require.Equal(t, http.StatusNoContent, post(t, client, sink.KeyHeader, "key", bodies.Append(nil, id)))
		}
	}
	require.Equal(t, http.StatusNoContent, post(t, client, sink.KeyHeader, "key", bodies.Append(nil, 3)))
	require.Equal(t, http.StatusUnauthorized, post(t, client, sink.KeyHeader, "other", bodies.Append(nil, 7)))
	for name, body := range map[string][]byte{
		"unknown id": bodies.Append(nil, ids), "too long": append(bodies.Append(nil, 7), ' '), "too short": bodies.Append(nil, 7)[:size-1],
		"altered": bytes.Replace(bodies.Append(nil, 7), []byte("x"), []byte("y"), 1), "no number": bytes.Replace(bodies.Append(nil, 7), []byte("7"), []byte("a"), 1),
		"none": nil,
	} {
		require.Equal(t, http.StatusBadRequest, post(t, client, sink.KeyHeader, "key", body), name)
	}

	report, err := client.Await(t.Context(), 0, 7, time.Minute)
	require.NoError(t, err)
	require.Equal(t, 1, report.Duplicates)
	require.Equal(t, 1, report.Unauthorized)
	require.Equal(t, 6, report.Malformed)
	for _, at := range report.FirstSeen {
		require.WithinRange(t, time.Unix(0, at), begin, time.Now())
	}

	report, err = client.Await(t.Context(), 6, ids, 20*time.Millisecond)
	require.NoError(t, err)
	require.Len(t, report.FirstSeen, 4)
	require.Zero(t, report.FirstSeen[1], "7 never arrived")
	require.Zero(t, report.Duplicates, "that of 3 is not of this range")

	_, err = client.Await(t.Context(), 0, ids+1, time.Second)
	require.ErrorContains(t, err, "400")
}

func TestSinkWantsSomeToken(t *testing.T) {
	client := serve(t, sink.Config{IDs: ids, BodyBytes: size, ClientID: "c", ClientSecret: "s"})
	body := sink.NewBodies(size).Append(nil, 1)
	require.Equal(t, http.StatusUnauthorized, post(t, client, sink.KeyHeader, "", body))
	require.Equal(t, http.StatusUnauthorized, post(t, client, "Authorization", "Bearer ", body))
	require.Equal(t, http.StatusNoContent, post(t, client, "Authorization", "Bearer x", body))
}

func TestBodies(t *testing.T) {
	for _, size := range []int{sink.MinBody, 1024} {
		require.Len(t, sink.NewBodies(size).Append(nil, 1234567890), size)
	}
	require.JSONEq(t, `{"id":"0000000042","pad":"xx"}`, string(sink.NewBodies(sink.MinBody+2).Append(nil, 42)))
}
