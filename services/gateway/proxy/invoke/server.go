package invoke

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	proxyv1 "github.com/freshet-io/freshet/gen/freshet/proxy/v1"
	"github.com/freshet-io/freshet/services/gateway/proxy"
	"github.com/freshet-io/freshet/services/gateway/proxy/target"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// maxAnswer is the size of an answer's body that Invoke returns: a message has at most 4 MiB.
const maxAnswer = 3 << 20

// Proxy makes calls; *[proxy.Proxy] is one.
type Proxy interface {
	// Serve makes a call and writes its answer. An error means that nothing was written.
	Serve(w http.ResponseWriter, r *http.Request, caller metadata.MD) error
}

// Register adds ProxyService to a server.
func Register(to grpc.ServiceRegistrar, through Proxy) {
	proxyv1.RegisterProxyServiceServer(to, &server{proxy: through})
}

type server struct {
	proxyv1.UnimplementedProxyServiceServer
	proxy Proxy
}

// Invoke implements ProxyService.
func (s *server) Invoke(ctx context.Context, in *proxyv1.InvokeRequest) (*proxyv1.InvokeResponse, error) {
	request, err := requestOf(ctx, in.GetCall(), bytes.NewReader(in.GetBody()), int64(len(in.GetBody())))
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	w := &writer{header: http.Header{}, body: func(p []byte) error {
		if body.Len()+len(p) > maxAnswer {
			return rpcerr.New(codes.ResourceExhausted, errorsv1.Reason_LIMIT_EXCEEDED,
				"the body of the API's answer has more than %d bytes; InvokeStream takes it", maxAnswer)
		}
		body.Write(p)
		return nil
	}}
	if err := s.serve(w, request); err != nil {
		return nil, err
	}
	return &proxyv1.InvokeResponse{Answer: w.answer(), Body: body.Bytes()}, nil
}

// serve makes the call.
func (s *server) serve(w *writer, request *http.Request) error {
	err := s.proxy.Serve(w, request, callerOf(request.Context()))
	if answer, ok := errors.AsType[*proxy.Error](err); ok {
		return rpcerr.WithRetry(answer.Unwrap(), answer.RetryAfter)
	}
	if err == nil {
		err = w.end()
	}
	return err
}

// callerOf is the credential of a call's caller.
func callerOf(ctx context.Context) metadata.MD {
	in, _ := metadata.FromIncomingContext(ctx)
	md := metadata.MD{}
	for _, name := range []string{"authorization", "x-api-key"} {
		if values := in.Get(name); len(values) > 0 {
			md[name] = values
		}
	}
	return md
}

// requestOf is a call as it comes over HTTP. Its length is -1 if it is not known.
func requestOf(ctx context.Context, call *proxyv1.Call, body io.Reader, length int64) (*http.Request, error) {
	path := target.Prefix + call.GetName() + "/" + call.GetPath()
	text, err := url.PathUnescape(path)
	if err != nil {
		return nil, rpcerr.Invalid(rpcerr.Violation{Field: "call.path", Description: "must be percent-encoded"})
	}
	request := (&http.Request{}).WithContext(ctx)
	request.Method, request.URL = call.GetHttpMethod(), &url.URL{Path: text, RawPath: path, RawQuery: call.GetQuery()}
	request.Proto, request.ProtoMajor, request.ProtoMinor = "HTTP/2.0", 2, 0
	request.Body, request.ContentLength = io.NopCloser(body), length
	request.Header = http.Header{}
	for _, field := range call.GetHeaders() {
		request.Header.Add(field.GetKey(), field.GetValue())
	}
	return request, nil
}

// fieldsOf are headers as messages.
func fieldsOf(header http.Header) []*proxyv1.HeaderField {
	var fields []*proxyv1.HeaderField
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			fields = append(fields, &proxyv1.HeaderField{Key: name, Value: value})
		}
	}
	return fields
}
