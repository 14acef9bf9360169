package invoke

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	proxyv1 "github.com/freshet-io/freshet/gen/freshet/proxy/v1"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// stalled is how long a caller may take nothing of an answer.
const stalled = 30 * time.Second

// stream is an InvokeStream.
type stream = grpc.BidiStreamingServer[proxyv1.InvokeStreamRequest, proxyv1.InvokeStreamResponse]

// InvokeStream implements ProxyService.
func (s *server) InvokeStream(caller stream) error {
	first, err := caller.Recv()
	if err != nil {
		return err
	}
	if first.GetCall() == nil {
		return rpcerr.Invalid(rpcerr.Violation{Field: "call", Description: "must be the first message"})
	}
	body := &pieces{caller: caller}
	request, err := requestOf(caller.Context(), first.GetCall(), body, -1)
	if err != nil {
		return err
	}
	if err := body.begin(request); err != nil {
		return err
	}
	w := &writer{header: http.Header{}}
	w.head = func() error {
		return send(caller, &proxyv1.InvokeStreamResponse{Part: &proxyv1.InvokeStreamResponse_Answer{Answer: w.answer()}})
	}
	w.body = func(p []byte) error {
		return send(caller, &proxyv1.InvokeStreamResponse{Part: &proxyv1.InvokeStreamResponse_Body{Body: p}})
	}
	return s.serve(w, request)
}

// send sends a message, unless the caller takes nothing for too long; the stream is over then.
func send(caller stream, message *proxyv1.InvokeStreamResponse) error {
	sent := make(chan error, 1)
	go func() { sent <- caller.Send(message) }()
	timer := time.NewTimer(stalled)
	defer timer.Stop()
	select {
	case err := <-sent:
		return err
	case <-timer.C:
		return rpcerr.New(codes.DeadlineExceeded, errorsv1.Reason_DEADLINE_EXCEEDED, "nothing of the answer was taken for %s", stalled)
	}
}

// pieces is the body that a caller sends. It implements io.Reader.
type pieces struct {
	caller stream
	rest   []byte
}

// begin waits for the first piece, without which the request has no body. The header Content-Length, if there is one, is its length.
func (b *pieces) begin(request *http.Request) error {
	err := b.next()
	if errors.Is(err, io.EOF) {
		request.Body, request.ContentLength = http.NoBody, 0
		return nil
	}
	if length, wrong := strconv.ParseInt(request.Header.Get("Content-Length"), 10, 64); wrong == nil && length >= 0 {
		request.ContentLength = length
	}
	return err
}

// next receives a piece that is not empty.
func (b *pieces) next() error {
	for len(b.rest) == 0 {
		message, err := b.caller.Recv()
		if err != nil {
			return err
		}
		if message.GetCall() != nil {
			return rpcerr.Invalid(rpcerr.Violation{Field: "call", Description: "must be the first message only"})
		}
		b.rest = message.GetBody()
	}
	return nil
}

// Read implements io.Reader.
func (b *pieces) Read(p []byte) (int, error) {
	if err := b.next(); err != nil {
		return 0, err
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}
