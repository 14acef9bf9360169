package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

const watch = connection + "/token:watch"

func generation(n int64) *tokenv1.WatchTokenResponse {
	return &tokenv1.WatchTokenResponse{Token: &tokenv1.Token{Name: "projects/default/connections/crm/token", Generation: n}}
}

// scripted makes WatchToken send what the channel gives, and end with what end gives.
func (f *fixture) scripted() (messages chan<- *tokenv1.WatchTokenResponse, end chan<- error) {
	sent, ends := make(chan *tokenv1.WatchTokenResponse), make(chan error)
	f.watch(func(_ *tokenv1.WatchTokenRequest, stream grpc.ServerStream) error {
		for {
			select {
			case message := <-sent:
				if err := stream.SendMsg(message); err != nil {
					return err
				}
			case err := <-ends:
				return err
			case <-stream.Context().Done():
				return stream.Context().Err()
			}
		}
	})
	return sent, ends
}

// open starts a stream once its first message is on its way.
func (f *fixture) open(ctx context.Context, messages chan<- *tokenv1.WatchTokenResponse, header ...string) (*http.Response, *bufio.Reader) {
	f.t.Helper()
	go func() {
		select {
		case messages <- generation(1):
		case <-ctx.Done():
		}
	}()
	resp, err := f.client.Do(f.request(ctx, "GET", watch, "", header...))
	require.NoError(f.t, err)
	f.t.Cleanup(func() { _ = resp.Body.Close() })
	require.Equal(f.t, http.StatusOK, resp.StatusCode)
	require.Equal(f.t, "no-store", resp.Header.Get("Cache-Control"))
	require.Equal(f.t, "no", resp.Header.Get("X-Accel-Buffering"))
	return resp, bufio.NewReader(resp.Body)
}

func (f *fixture) readLine(r *bufio.Reader) string {
	f.t.Helper()
	text, err := r.ReadString('\n')
	require.NoError(f.t, err)
	return text
}

func TestWatchLineByLine(t *testing.T) {
	overEachProtocol(t, func(t *testing.T, f *fixture) {
		messages, end := f.scripted()
		resp, lines := f.open(t.Context(), messages)
		require.Equal(t, "application/x-ndjson", resp.Header.Get("Content-Type"))
		// Each line is here before the next is sent: nothing waits in a buffer.
		require.JSONEq(t, `{"result":{"token":{"name":"projects/default/connections/crm/token","generation":"1"}}}`, f.readLine(lines))
		messages <- generation(2)
		require.JSONEq(t, `{"result":{"token":{"name":"projects/default/connections/crm/token","generation":"2"}}}`, f.readLine(lines))
		heartbeat := generation(2)
		heartbeat.Heartbeat = true
		messages <- heartbeat
		require.JSONEq(t, `{"result":{"token":{"name":"projects/default/connections/crm/token","generation":"2"},"heartbeat":true}}`, f.readLine(lines))
		end <- nil
		_, err := lines.ReadByte()
		require.ErrorIs(t, err, io.EOF)
	})
}

func TestWatchAsEvents(t *testing.T) {
	overEachProtocol(t, func(t *testing.T, f *fixture) {
		for _, accept := range []string{"text/event-stream", "text/event-stream, */*", "application/x-ndjson;q=0.5, text/event-stream;q=0.7"} {
			messages, end := f.scripted()
			resp, lines := f.open(t.Context(), messages, "Accept", accept)
			require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
			for n := int64(2); ; n++ {
				data, found := strings.CutPrefix(f.readLine(lines), "data: ")
				require.True(t, found)
				require.True(t, json.Valid([]byte(data)), data)
				require.Equal(t, "\n", f.readLine(lines))
				if n == 4 {
					break
				}
				messages <- generation(n)
			}
			end <- rpcerr.New(codes.NotFound, errorsv1.Reason_TOKEN_NOT_FOUND, "gone")
			data, found := strings.CutPrefix(f.readLine(lines), "data: ")
			require.True(t, found)
			f.requireStreamEnd(data, http.StatusNotFound, "TOKEN_NOT_FOUND")
			require.Equal(t, "\n", f.readLine(lines))
			_, err := lines.ReadByte()
			require.ErrorIs(t, err, io.EOF)
		}
	})
}

// requireStreamEnd checks the last line of a stream that failed.
func (f *fixture) requireStreamEnd(line string, status int, reason string) problem {
	f.t.Helper()
	var last map[string]json.RawMessage
	require.NoError(f.t, json.Unmarshal([]byte(line), &last), line)
	require.Len(f.t, last, 1)
	return f.decodeProblem(string(last["error"]), status, reason)
}

func TestWatchFailsBeforeItsFirstMessage(t *testing.T) {
	overEachProtocol(t, func(t *testing.T, f *fixture) {
		f.watch(func(*tokenv1.WatchTokenRequest, grpc.ServerStream) error {
			return rpcerr.New(codes.NotFound, errorsv1.Reason_TOKEN_NOT_FOUND, "no such token")
		})
		for _, accept := range []string{"", "text/event-stream"} {
			p := f.requireProblem(f.do("GET", watch, "", "Accept", accept), http.StatusNotFound, "TOKEN_NOT_FOUND")
			require.Equal(t, "no such token", p.Detail)
			require.Len(t, p.TraceID, 32)
			p = f.requireProblem(f.do("GET", watch+"?heartbeatInterval=1ms", "", "Accept", accept), http.StatusBadRequest, "INVALID_FIELD")
			require.Equal(t, "heartbeatInterval", p.Errors[0].Field)
		}
	})
}

func TestWatchFailsLater(t *testing.T) {
	overEachProtocol(t, func(t *testing.T, f *fixture) {
		messages, end := f.scripted()
		_, lines := f.open(t.Context(), messages)
		f.readLine(lines)
		end <- rpcerr.New(codes.PermissionDenied, errorsv1.Reason_PERMISSION_DENIED, "the right to read was lost")
		p := f.requireStreamEnd(f.readLine(lines), http.StatusForbidden, "PERMISSION_DENIED")
		require.Equal(t, "the right to read was lost", p.Detail)
		require.Len(t, p.TraceID, 32)
		_, err := lines.ReadByte()
		require.ErrorIs(t, err, io.EOF)
	})
}

func TestWatchEndsWithTheServices(t *testing.T) {
	overEachProtocol(t, func(t *testing.T, f *fixture) {
		messages, _ := f.scripted()
		_, lines := f.open(t.Context(), messages)
		f.readLine(lines)
		f.stopGRPC()
		f.requireStreamEnd(f.readLine(lines), http.StatusServiceUnavailable, "SHUTTING_DOWN")
	})
}

func TestWatchersLeave(t *testing.T) {
	overEachProtocol(t, func(t *testing.T, f *fixture) {
		ended := make(chan error, 1)
		f.watch(func(_ *tokenv1.WatchTokenRequest, stream grpc.ServerStream) error {
			if err := stream.SendMsg(generation(1)); err != nil {
				return err
			}
			<-stream.Context().Done()
			ended <- stream.Context().Err()
			return stream.Context().Err()
		})
		ctx, leave := context.WithCancel(t.Context())
		resp, err := f.client.Do(f.request(ctx, "GET", watch, ""))
		require.NoError(t, err)
		f.readLine(bufio.NewReader(resp.Body))
		leave()
		require.ErrorIs(t, <-ended, context.Canceled)
		require.NoError(t, resp.Body.Close())
	})
}

// TestWatchHasNoDeadline: no deadline is set for what lasts as long as its caller wants.
func TestWatchHasNoDeadline(t *testing.T) {
	f := start(t)
	deadlines := make(chan bool, 1)
	f.watch(func(_ *tokenv1.WatchTokenRequest, stream grpc.ServerStream) error {
		_, ok := stream.Context().Deadline()
		deadlines <- ok
		return stream.SendMsg(generation(1))
	})
	got := f.do("GET", watch, "", "Grpc-Timeout", "5S")
	require.Equal(t, http.StatusOK, got.status)
	require.False(t, <-deadlines)
	require.NotEmpty(t, got.body)
}
