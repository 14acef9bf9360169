package invoke

import (
	"net/http"
	"time"

	"google.golang.org/grpc/codes"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	proxyv1 "github.com/freshet-io/freshet/gen/freshet/proxy/v1"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// writer takes an answer that the proxy writes. It implements http.ResponseWriter.
type writer struct {
	header http.Header
	status int
	head   func() error       // called once, with the first of what is written; nil: nothing to do
	body   func([]byte) error // called with each piece
	failed error              // of head or body
	broken bool               // the answer did not come to its end
}

// Header implements http.ResponseWriter.
func (w *writer) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *writer) WriteHeader(status int) {
	w.status = status
	if w.head != nil {
		w.failed = w.head()
	}
}

// Write implements http.ResponseWriter.
func (w *writer) Write(p []byte) (int, error) {
	if w.failed == nil {
		w.failed = w.body(p)
	}
	if w.failed != nil {
		return 0, w.failed
	}
	return len(p), nil
}

// Flush implements http.Flusher: nothing is held back.
func (w *writer) Flush() {}

// SetWriteDeadline is how the proxy breaks an answer off that it cannot complete: by a time that has passed. Others have no meaning here.
func (w *writer) SetWriteDeadline(at time.Time) error {
	w.broken = w.broken || !at.IsZero() && at.Before(time.Now())
	return nil
}

// end returns why the answer is not whole.
func (w *writer) end() error {
	if w.failed != nil {
		return w.failed
	}
	if w.broken {
		return rpcerr.New(codes.Unavailable, errorsv1.Reason_UPSTREAM_UNREACHABLE, "the API's answer broke off, or is larger than the proxy passes on")
	}
	return nil
}

// answer is what was answered, without the body.
func (w *writer) answer() *proxyv1.Answer {
	return &proxyv1.Answer{StatusCode: int32(w.status), Headers: fieldsOf(w.header)}
}
