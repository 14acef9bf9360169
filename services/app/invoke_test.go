package app_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	proxyv1 "github.com/freshet-io/freshet/gen/freshet/proxy/v1"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/rpcclient"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// invoker calls the suite's ProxyService with the admin key.
func (p *through) invoker(t *testing.T) proxyv1.ProxyServiceClient {
	t.Helper()
	conn, err := rpcclient.Dial(p.addrs.GRPC, rpcclient.Options{Credentials: authn.AdminCredentials(seal.NewSecret(p.key))})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return proxyv1.NewProxyServiceClient(conn)
}

func headerOf(answer *proxyv1.Answer, name string) string {
	for _, field := range answer.GetHeaders() {
		if field.GetKey() == name {
			return field.GetValue()
		}
	}
	return ""
}

const crm = "projects/default/connections/crm"

// TestInvoke: a call over gRPC is the call over HTTP.
func TestInvoke(t *testing.T) {
	p := newThrough(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/v2/large" {
			_, _ = w.Write(make([]byte, 3<<20+1))
			return
		}
		w.Header().Set("X-Echo", r.Header.Get("X-Api-Key"))
		w.Header().Set("Etag", `"7"`)
		w.WriteHeader(http.StatusTeapot)
		_, _ = fmt.Fprintf(w, "%s %s %s %s %d", r.Method, r.URL.EscapedPath(), r.Header.Get("X-Mine"), body, r.ContentLength)
	}, nil)
	client := p.invoker(t)
	answer, err := client.Invoke(t.Context(), &proxyv1.InvokeRequest{Call: &proxyv1.Call{
		Name: crm, HttpMethod: "PUT", Path: "items/a%20b", Query: "x=1", Headers: []*proxyv1.HeaderField{{Key: "x-mine", Value: "1"}, {Key: "Authorization", Value: "no"}},
	}, Body: []byte("hello")})
	require.NoError(t, err)
	require.EqualValues(t, http.StatusTeapot, answer.GetAnswer().GetStatusCode())
	require.Equal(t, "PUT /v2/items/a%20b 1 hello 5", string(answer.GetBody()))
	require.Equal(t, `"7"`, headerOf(answer.GetAnswer(), "Etag"))
	require.Empty(t, headerOf(answer.GetAnswer(), "X-Echo"), "the credential does not come back")

	for reason, call := range map[errorsv1.Reason]*proxyv1.Call{
		errorsv1.Reason_INVALID_FIELD:         {Name: crm, HttpMethod: "GET", Path: "a b"},
		errorsv1.Reason_PROXY_REQUEST_REFUSED: {Name: crm, HttpMethod: "GET", Path: "a/../b"},
		errorsv1.Reason_CONNECTION_NOT_FOUND:  {Name: "projects/default/connections/none", HttpMethod: "GET"},
		errorsv1.Reason_LIMIT_EXCEEDED:        {Name: crm, HttpMethod: "GET", Path: "large"},
	} {
		_, err := client.Invoke(t.Context(), &proxyv1.InvokeRequest{Call: call})
		require.Equal(t, reason, rpcerr.ReasonOf(err), "%v", err)
	}
	_, err = client.Invoke(metadata.AppendToOutgoingContext(t.Context(), "x-api-key", "wrong"), &proxyv1.InvokeRequest{Call: &proxyv1.Call{Name: crm, HttpMethod: "GET"}})
	require.Equal(t, codes.Unauthenticated, status.Code(err))

	p.connect(t, "limited", fmt.Sprintf(`{"apiKey":{"name":"X-Api-Key","value":"k"},"apiBaseUrl":"%s","proxySettings":{"requestsPerSecond":0.01}}`, p.api.URL))
	limited := &proxyv1.InvokeRequest{Call: &proxyv1.Call{Name: "projects/default/connections/limited", HttpMethod: "GET"}}
	_, err = client.Invoke(t.Context(), limited)
	require.NoError(t, err)
	_, err = client.Invoke(t.Context(), limited)
	require.Equal(t, errorsv1.Reason_PROXY_RATE_LIMITED, rpcerr.ReasonOf(err))
	var retry *errdetails.RetryInfo
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			retry = info
		}
	}
	require.Positive(t, retry.GetRetryDelay().AsDuration())
}

// TestInvokeStream: bodies of any size pass both ways at the same time.
func TestInvokeStream(t *testing.T) {
	const size = 2 << 20
	p := newThrough(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.Header().Set("X-Length", fmt.Sprint(r.ContentLength))
		_, _ = io.Copy(struct{ io.Writer }{w}, r.Body)
	}, nil)
	client := p.invoker(t)
	for name, length := range map[string]string{"of unknown length": "", "of known length": fmt.Sprint(size), "none": ""} {
		stream, err := client.InvokeStream(t.Context())
		require.NoError(t, err)
		call := &proxyv1.Call{Name: crm, HttpMethod: "POST", Path: "echo"}
		if length != "" {
			call.Headers = []*proxyv1.HeaderField{{Key: "Content-Length", Value: length}}
		}
		require.NoError(t, stream.Send(&proxyv1.InvokeStreamRequest{Part: &proxyv1.InvokeStreamRequest_Call{Call: call}}))
		go func() {
			piece := bytes.Repeat([]byte("x"), 64<<10)
			for range size / len(piece) {
				if name == "none" || stream.Send(&proxyv1.InvokeStreamRequest{Part: &proxyv1.InvokeStreamRequest_Body{Body: piece}}) != nil {
					break
				}
			}
			_ = stream.CloseSend()
		}()
		first, err := stream.Recv()
		require.NoError(t, err, name)
		require.EqualValues(t, http.StatusOK, first.GetAnswer().GetStatusCode())
		got := 0
		for {
			message, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			got += len(message.GetBody())
		}
		want := map[string]struct {
			length string
			size   int
		}{"of unknown length": {"-1", size}, "of known length": {fmt.Sprint(size), size}, "none": {"0", 0}}[name]
		require.Equal(t, want.size, got, name)
		require.Equal(t, want.length, headerOf(first.GetAnswer(), "X-Length"), name)
	}

	stream, err := client.InvokeStream(t.Context())
	require.NoError(t, err)
	require.NoError(t, stream.Send(&proxyv1.InvokeStreamRequest{Part: &proxyv1.InvokeStreamRequest_Body{Body: []byte("x")}}))
	_, err = stream.Recv()
	require.Equal(t, errorsv1.Reason_INVALID_FIELD, rpcerr.ReasonOf(err))
}
