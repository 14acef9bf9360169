package rpc_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

func TestWatchToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5*time.Second)
		first := w.authorize(crmName)
		stream, err := w.tokens.WatchToken(t.Context(), &tokenv1.WatchTokenRequest{Name: crmName})
		require.NoError(t, err)
		got, err := stream.Recv()
		require.NoError(t, err)
		require.Equal(t, first.GetFingerprint(), got.GetToken().GetFingerprint(), "the full state at once")
		require.False(t, got.GetHeartbeat())
		expire := got.GetToken().GetExpireTime().AsTime()
		for generation := int64(2); generation <= 10; generation++ {
			got, err = stream.Recv()
			require.NoError(t, err)
			require.Equal(t, generation, got.GetToken().GetGeneration())
			require.NotEmpty(t, got.GetToken().GetAccessToken())
			require.Greater(t, time.Until(expire), time.Second, "ahead of expiry")
			expire = got.GetToken().GetExpireTime().AsTime()
		}
		synctest.Wait() // what is pushed is counted afterwards
		require.Zero(t, sum(t, w.metric("freshet.token.served_expired")))
		require.Zero(t, sum(t, w.metric("freshet.token.double_redeem")))
		require.Zero(t, sum(t, w.metric("freshet.token.rotation_lost")))
		require.EqualValues(t, 1, sum(t, w.metric("freshet.token.watchers")))
		require.EqualValues(t, 10, sum(t, w.metric("freshet.token.refreshes")))
		lead, ok := w.metric("freshet.token.refresh.lead_time").(metricdata.Histogram[float64])
		require.True(t, ok)
		require.EqualValues(t, 9, lead.DataPoints[0].Count)
		least, defined := lead.DataPoints[0].Min.Value()
		require.True(t, defined)
		require.Greater(t, least, 1.8)
	})
}

// TestWatchersSeeTheSame token as whoever gets it, with and without compression, on streams of one and of many.
func TestWatchersSeeTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Hour)
		w.authorize(crmName)
		plain, err := w.tokens.WatchToken(t.Context(), &tokenv1.WatchTokenRequest{Name: crmName})
		require.NoError(t, err)
		packed, err := w.tokens.WatchToken(t.Context(), &tokenv1.WatchTokenRequest{Name: crmName}, grpc.UseCompressor(gzip.Name))
		require.NoError(t, err)
		stream, err := w.tokens.WatchTokens(t.Context())
		require.NoError(t, err)
		m := many{t, stream}
		m.subscribe(crmName)
		for generation := int64(1); generation <= 3; generation++ {
			got, err := w.tokens.GetToken(t.Context(), &tokenv1.GetTokenRequest{Name: crmName})
			require.NoError(t, err)
			require.Equal(t, generation, got.GetToken().GetGeneration())
			for _, one := range []tokenv1.TokenService_WatchTokenClient{plain, packed} {
				seen, err := one.Recv()
				require.NoError(t, err)
				require.True(t, proto.Equal(got.GetToken(), seen.GetToken()))
			}
			require.True(t, proto.Equal(got.GetToken(), m.next().GetToken()))
			_, err = w.tokens.RefreshToken(t.Context(), &tokenv1.RefreshTokenRequest{Name: crmName})
			require.NoError(t, err)
		}
	})
}

// sum adds up a counter.
func sum(t *testing.T, data metricdata.Aggregation) int64 {
	t.Helper()
	counter, ok := data.(metricdata.Sum[int64])
	require.True(t, ok, "%T", data)
	require.NotEmpty(t, counter.DataPoints)
	total := int64(0)
	for _, point := range counter.DataPoints {
		total += point.Value
	}
	return total
}

func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Hour)
		w.authorize(crmName)
		for interval, request := range map[time.Duration]*durationpb.Duration{30 * time.Second: nil, time.Second: durationpb.New(time.Second)} {
			ctx, cancel := context.WithCancel(t.Context())
			stream, err := w.tokens.WatchToken(ctx, &tokenv1.WatchTokenRequest{Name: crmName, HeartbeatInterval: request})
			require.NoError(t, err)
			_, err = stream.Recv()
			require.NoError(t, err)
			for range 3 {
				start := time.Now()
				got, err := stream.Recv()
				require.NoError(t, err)
				require.Equal(t, interval, time.Since(start))
				require.True(t, got.GetHeartbeat())
				require.NotEmpty(t, got.GetToken().GetAccessToken(), "the full state again")
			}
			cancel()
			_, err = stream.Recv()
			require.Equal(t, codes.Canceled, status.Code(err))
		}
	})
}

func TestWatchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Hour)
		open := func() tokenv1.TokenService_WatchTokenClient {
			stream, err := w.tokens.WatchToken(t.Context(), &tokenv1.WatchTokenRequest{Name: crmName})
			require.NoError(t, err)
			return stream
		}
		_, err := open().Recv()
		requireStatus(t, err, codes.NotFound, errorsv1.Reason_TOKEN_NOT_FOUND)

		w.authorize(crmName)
		stream := open()
		_, err = stream.Recv()
		require.NoError(t, err)
		_, err = w.internal.DeauthorizeToken(t.Context(), &tokenv1.DeauthorizeTokenRequest{Name: crmName, ConnectionUid: uid, Revision: 1})
		require.NoError(t, err)
		got, err := stream.Recv()
		require.NoError(t, err, "a state, not an end")
		require.Equal(t, tokenv1.Token_DEAUTHORIZED, got.GetToken().GetState())
		require.Empty(t, got.GetToken().GetFingerprint())
		_, err = w.internal.DeleteToken(t.Context(), &tokenv1.DeleteTokenRequest{Name: crmName, ConnectionUid: uid})
		require.NoError(t, err)
		_, err = stream.Recv()
		requireStatus(t, err, codes.NotFound, errorsv1.Reason_TOKEN_NOT_FOUND)

		time.Sleep(time.Second)
		w.authorize(crmName)
		stream = open()
		_, err = stream.Recv()
		require.NoError(t, err)
		_, err = w.internal.AuthorizeToken(t.Context(), &tokenv1.AuthorizeTokenRequest{Name: crmName, ConnectionUid: "uid-2", Revision: 1})
		require.NoError(t, err)
		_, err = stream.Recv()
		requireStatus(t, err, codes.NotFound, errorsv1.Reason_TOKEN_NOT_FOUND)

		stream = open()
		_, err = stream.Recv()
		require.NoError(t, err)
		stopped := w.stopping()
		for err == nil {
			_, err = stream.Recv()
		}
		requireStatus(t, err, codes.Unavailable, errorsv1.Reason_SHUTTING_DOWN)
		<-stopped
	})
}

// many is a WatchTokens stream as its receiver sees it.
type many struct {
	t      *testing.T
	stream tokenv1.TokenService_WatchTokensClient
}

func (m many) subscribe(names ...string) {
	m.t.Helper()
	require.NoError(m.t, m.stream.Send(&tokenv1.WatchTokensRequest{
		Action: &tokenv1.WatchTokensRequest_Subscribe{Subscribe: &tokenv1.WatchTokensSubscribe{Names: names}},
	}))
}

func (m many) unsubscribe(names ...string) {
	m.t.Helper()
	require.NoError(m.t, m.stream.Send(&tokenv1.WatchTokensRequest{
		Action: &tokenv1.WatchTokensRequest_Unsubscribe{Unsubscribe: &tokenv1.WatchTokensUnsubscribe{Names: names}},
	}))
}

func (m many) acknowledge(t *tokenv1.Token) {
	m.t.Helper()
	require.NoError(m.t, m.stream.Send(&tokenv1.WatchTokensRequest{
		Action: &tokenv1.WatchTokensRequest_Acknowledge{Acknowledge: &tokenv1.WatchTokensAcknowledge{Name: t.GetName(), Generation: t.GetGeneration()}},
	}))
}

func (m many) next() *tokenv1.WatchTokensResponse {
	m.t.Helper()
	got, err := m.stream.Recv()
	require.NoError(m.t, err)
	return got
}

func TestWatchTokens(t *testing.T) {
	const erpName = "projects/default/connections/erp/token"
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Hour)
		w.authorize(crmName)
		w.authorize(erpName)
		stream, err := w.tokens.WatchTokens(t.Context())
		require.NoError(t, err)
		m := many{t, stream}
		m.subscribe(crmName, "projects/default/connections/none/token")
		got := map[string]string{}
		for range 2 {
			response := m.next()
			if response.GetError() != nil {
				got[response.GetError().GetName()] = response.GetError().GetReason().String()
			} else {
				got[response.GetToken().GetName()] = response.GetToken().GetState().String()
				m.acknowledge(response.GetToken())
			}
		}
		require.Equal(t, map[string]string{crmName: "AUTHORIZED", "projects/default/connections/none/token": "TOKEN_NOT_FOUND"}, got)

		m.subscribe(crmName)
		require.Equal(t, crmName, m.next().GetToken().GetName(), "its state again")
		m.subscribe(erpName)
		require.Equal(t, erpName, m.next().GetToken().GetName())

		_, err = w.tokens.RefreshToken(t.Context(), &tokenv1.RefreshTokenRequest{Name: erpName})
		require.NoError(t, err)
		pushed := m.next().GetToken()
		require.Equal(t, erpName, pushed.GetName())
		require.EqualValues(t, 2, pushed.GetGeneration())
		for range 2 {
			m.acknowledge(pushed)
		}
		synctest.Wait()
		pushes, ok := w.metric("freshet.token.push.duration").(metricdata.Histogram[float64])
		require.True(t, ok)
		require.EqualValues(t, 1, pushes.DataPoints[0].Count, "what was there when the watching began was not pushed")

		m.unsubscribe(erpName)
		synctest.Wait()
		_, err = w.tokens.RefreshToken(t.Context(), &tokenv1.RefreshTokenRequest{Name: erpName})
		require.NoError(t, err)
		require.NotNil(t, m.next().GetHeartbeat(), "of that nothing is heard")

		_, err = w.internal.DeleteToken(t.Context(), &tokenv1.DeleteTokenRequest{Name: crmName, ConnectionUid: uid})
		require.NoError(t, err)
		ended := m.next().GetError()
		require.Equal(t, crmName, ended.GetName())
		require.Equal(t, errorsv1.Reason_TOKEN_NOT_FOUND, ended.GetReason())
		m.subscribe(erpName)
		require.EqualValues(t, 3, m.next().GetToken().GetGeneration(), "the stream goes on")

		require.NoError(t, stream.CloseSend())
		_, err = w.tokens.RefreshToken(t.Context(), &tokenv1.RefreshTokenRequest{Name: erpName})
		require.NoError(t, err)
		require.EqualValues(t, 4, m.next().GetToken().GetGeneration(), "also when the receiver has nothing more to say")
		stopped := w.stopping()
		for err == nil {
			_, err = stream.Recv()
		}
		requireStatus(t, err, codes.Unavailable, errorsv1.Reason_SHUTTING_DOWN)
		<-stopped
	})
}

func TestWatchTokensValidates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Hour)
		stream, err := w.tokens.WatchTokens(t.Context())
		require.NoError(t, err)
		many{t, stream}.subscribe("nonsense")
		_, err = stream.Recv()
		requireStatus(t, err, codes.InvalidArgument, errorsv1.Reason_INVALID_FIELD)
	})
}

func TestWatchTokenStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Hour)
		w.authorize(crmName)
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := w.internal.WatchTokenStates(ctx, &tokenv1.WatchTokenStatesRequest{})
		require.NoError(t, err)
		next := func() *tokenv1.WatchTokenStatesResponse {
			got, err := stream.Recv()
			require.NoError(t, err)
			return got
		}
		first := next().GetStatus()
		require.Equal(t, crmName, first.GetName())
		require.Equal(t, tokenv1.Token_AUTHORIZED, first.GetState())
		require.EqualValues(t, 1, first.GetRevision())
		require.NotNil(t, next().GetSynced())
		_, err = w.tokens.RefreshToken(t.Context(), &tokenv1.RefreshTokenRequest{Name: crmName})
		require.NoError(t, err)
		require.EqualValues(t, 2, next().GetStatus().GetGeneration())
		start := time.Now()
		require.NotNil(t, next().GetHeartbeat())
		require.Equal(t, 30*time.Second, time.Since(start))
		_, err = w.internal.DeleteToken(t.Context(), &tokenv1.DeleteTokenRequest{Name: crmName, ConnectionUid: uid})
		require.NoError(t, err)
		require.True(t, next().GetStatus().GetDeleted())
		cancel()
		_, err = stream.Recv()
		require.NotErrorIs(t, err, io.EOF)

		stream, err = w.internal.WatchTokenStates(t.Context(), &tokenv1.WatchTokenStatesRequest{})
		require.NoError(t, err)
		require.NotNil(t, next().GetSynced())
		stopped := w.stopping()
		for err == nil {
			_, err = stream.Recv()
		}
		requireStatus(t, err, codes.Unavailable, errorsv1.Reason_SHUTTING_DOWN)
		<-stopped
	})
}

// TestSlowWatcher does not read for a while: the publisher goes on, and the watcher gets the newest.
func TestSlowWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Hour)
		w.authorize(crmName)
		stream, err := w.tokens.WatchToken(t.Context(), &tokenv1.WatchTokenRequest{Name: crmName})
		require.NoError(t, err)
		const refreshes = 200
		for range refreshes {
			_, err = w.tokens.RefreshToken(t.Context(), &tokenv1.RefreshTokenRequest{Name: crmName})
			require.NoError(t, err)
		}
		last := int64(0)
		for last < refreshes+1 {
			got, err := stream.Recv()
			require.NoError(t, err)
			require.Greater(t, got.GetToken().GetGeneration(), last)
			last = got.GetToken().GetGeneration()
		}
	})
}

// TestTraces: a refresh cycle is one trace, its steps are spans, and none of them has a secret.
func TestTraces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Hour)
		got := w.authorize(crmName)
		synctest.Wait()
		names := map[string]int{}
		var trace string
		for _, span := range w.spans.Ended() {
			names[span.Name()]++
			if span.Name() == "token.refresh" && len(span.Attributes()) > 1 {
				trace = span.SpanContext().TraceID().String()
			}
			for _, attribute := range span.Attributes() {
				require.NotContains(t, attribute.Value.String(), clientSecret)
				require.NotContains(t, attribute.Value.String(), got.GetAccessToken())
			}
		}
		for _, name := range []string{
			"token.refresh", "token.refresh.claim", "token.refresh.settings", "token.refresh.request", "POST", "token.refresh.commit", "token.refresh.push",
		} {
			require.Equal(t, 1, names[name], name)
		}
		require.Equal(t, trace, got.GetTraceparent()[3:35])
		for _, span := range w.spans.Ended() {
			require.Equal(t, trace, span.SpanContext().TraceID().String(), span.Name())
		}
	})
}
