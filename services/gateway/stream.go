package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// Streams end in one of three ways: the caller leaves, which cancels the call; it fails before its first message, which is answered like
// any other call, with an HTTP status and a problem; or it fails later, and its last line is {"error": problem}. The gateway library
// writes errors of streams in a shape of its own, so they are remembered on the way, and what it writes from then on is withheld.

// endKey holds the *streamEnd of the request's context.
type endKey struct{}

// streamEnd is how a stream failed; nil as long as it has not.
type streamEnd struct{ status *status.Status }

func rememberStreamError(ctx context.Context, err error) *status.Status {
	st := callStatus(ctx, err)
	if end, ok := ctx.Value(endKey{}).(*streamEnd); ok {
		end.status = st
	}
	return st
}

// errLeaving is the cause of the end of a stream's context when the server leaves.
var errLeaving = errors.New("gateway: the server is leaving")

// callStatus is the status of a call that failed with err.
func callStatus(ctx context.Context, err error) *status.Status {
	st := status.Convert(err)
	if st.Code() == codes.Canceled && errors.Is(context.Cause(ctx), errLeaving) {
		return status.Convert(rpcerr.New(codes.Unavailable, errorsv1.Reason_SHUTTING_DOWN, "the process is stopping; connect again"))
	}
	return st
}

// stream serves a call whose answer is a stream. It ends when the server begins to leave, because it would not end by itself.
func (a *api) stream(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	if leaving, ok := ctx.Value(leavingKey{}).(context.Context); ok {
		stop := context.AfterFunc(leaving, func() { cancel(errLeaving) })
		defer stop()
	}
	w.Header().Set("X-Accel-Buffering", "no") // for proxies that would hold lines back, nginx above all
	end := &streamEnd{}
	out := &streamWriter{ResponseWriter: w, end: end, deadline: http.NewResponseController(w)}
	ctx = context.WithValue(ctx, endKey{}, end)
	a.calls.ServeHTTP(out, r.WithContext(ctx))
	if end.status == nil {
		return
	}
	failure := a.problems.ofCall(ctx, end.status)
	if !out.started {
		a.problems.write(ctx, w, failure)
		return
	}
	prefix, delimiter := "", "\n"
	if r.Header.Get("Accept") == mimeEventStream {
		prefix, delimiter = "data: ", "\n\n"
	}
	line := a.problems.encode(ctx, map[string]problem{"error": failure})
	out.extend()
	if _, err := w.Write([]byte(prefix + string(line) + delimiter)); err != nil {
		a.problems.log.DebugContext(ctx, "the caller left before the end of its stream", "error", err)
	}
}

// streamWriter passes a stream on until it fails.
type streamWriter struct {
	http.ResponseWriter
	deadline *http.ResponseController
	end      *streamEnd
	started  bool
}

// WriteHeader implements http.ResponseWriter.
func (w *streamWriter) WriteHeader(code int) {
	if w.end.status != nil {
		return
	}
	w.started = true
	w.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter. Every write gets its own deadline: a stream may last, a caller that takes nothing may not.
func (w *streamWriter) Write(text []byte) (int, error) {
	if w.end.status != nil {
		return len(text), nil
	}
	w.started = true
	w.extend()
	return w.ResponseWriter.Write(text)
}

func (w *streamWriter) extend() {
	_ = w.deadline.SetWriteDeadline(time.Now().Add(writeTimeout)) // without effect where the writer has no deadlines
}

// Unwrap lets http.ResponseController flush.
func (w *streamWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
