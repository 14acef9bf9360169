package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/gateway/proxy/hygiene"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

const (
	// maxReplayed is the size up to which a body is kept for a second attempt.
	maxReplayed = 64 << 10
	// maxMerged is the size up to which a credential can be put into a body, or a form be signed.
	maxMerged = 1 << 20
	// stalled is how long a caller may send nothing of its body, or take nothing of an answer.
	stalled = 30 * time.Second
	// bufferSize is how much of a body is in memory at a time.
	bufferSize = 32 << 10
	// maxDrained is how much of an answer that does not matter is read, so that its connection can be used again.
	maxDrained = 64 << 10
)

// requestBody is what the caller sends.
type requestBody struct {
	kept   []byte // all of it, if it is small
	stream io.ReadCloser
	length int64        // -1: not known
	taken  atomic.Int64 // bytes read from the caller

	mu     sync.Mutex
	failed error // of reading from the caller
	over   bool  // the caller's connection is not ours any more
}

// failure is why the body could not be read; nil if it could.
func (b *requestBody) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed
}

// end leaves the caller's connection alone from now on: the transport may go on reading after an early answer.
func (b *requestBody) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
}

// replayable reports whether the body can be sent more than once.
func (b *requestBody) replayable() bool { return b.stream == nil }

func (b *requestBody) reader() io.ReadCloser {
	switch {
	case b.stream != nil:
		return b.stream
	case len(b.kept) == 0:
		return http.NoBody
	default:
		return io.NopCloser(bytes.NewReader(b.kept))
	}
}

func (b *requestBody) again() (io.ReadCloser, error) { return b.reader(), nil }

// readBody keeps a small body, and bounds a large one.
func (c *call) readBody(token *tokenv1.Token) (*requestBody, error) {
	r, limit, keep := c.in, c.proxy.params.MaxRequest, int64(maxReplayed)
	merged := len(token.GetCredential().GetBody()) > 0
	whole := merged || signsForm(token, r.Header)
	if whole {
		limit, keep = min(limit, maxMerged), maxMerged
	}
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return &requestBody{}, nil
	}
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	body := &requestBody{length: r.ContentLength}
	stream := &callerBody{call: c, body: body, left: limit}
	if !whole && (r.ContentLength < 0 || r.ContentLength > keep) {
		body.stream = stream
		return body, nil
	}
	if err := stream.keep(); err != nil {
		return nil, c.ofBody(err)
	}
	if merged {
		return body, checkMergeable(r.Header.Get("Content-Type"), body.kept)
	}
	return body, nil
}

// signsForm reports whether a request with the token is signed together with the fields of its body (RFC 5849 section 3.4.1.3.1).
func signsForm(token *tokenv1.Token, header http.Header) bool {
	if token.GetOauth1() == nil {
		return false
	}
	mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	return err == nil && mediaType == "application/x-www-form-urlencoded"
}

// checkMergeable wants a JSON object, which the connection's credential can be put into.
func checkMergeable(contentType string, body []byte) error {
	mediaType, _, err := mime.ParseMediaType(contentType)
	var object map[string]json.RawMessage
	if err != nil || (mediaType != "application/json" && !strings.HasSuffix(mediaType, "+json")) || json.Unmarshal(body, &object) != nil || object == nil {
		return rpcerr.Invalid(rpcerr.Violation{Field: "body", Description: "must be a JSON object: the connection's credential goes into it"})
	}
	return nil
}

// callerBody reads a body from the caller: no more than its limit, and with an end if the caller falls silent.
type callerBody struct {
	call *call
	body *requestBody
	left int64
}

// errTooLarge and errStalled are why a body was not read to its end.
var (
	errTooLarge = errors.New("the request's body is too large")
	errStalled  = errors.New("the request's body does not arrive")
)

// keep reads all of the body.
func (b *callerBody) keep() (err error) {
	if b.body.length < 0 {
		b.body.kept, err = io.ReadAll(b)
		b.body.length = int64(len(b.body.kept))
		return err
	}
	b.body.kept = make([]byte, b.body.length)
	_, err = io.ReadFull(b, b.body.kept)
	b.deadline(time.Time{})
	return err
}

// Read implements io.Reader.
func (b *callerBody) Read(p []byte) (int, error) {
	if !b.deadline(time.Now().Add(stalled)) {
		return 0, io.ErrClosedPipe
	}
	n, err := b.call.in.Body.Read(p)
	b.left -= int64(n)
	b.body.taken.Add(int64(n))
	switch {
	case b.left < 0:
		err = errTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errStalled
	case err != nil:
		b.deadline(time.Time{}) // else it ends the request when it passes
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.body.mu.Lock()
		b.body.failed = err
		b.body.mu.Unlock()
	}
	return n, err
}

// deadline sets the time by which the caller must send something, unless its connection is not ours any more.
func (b *callerBody) deadline(at time.Time) bool {
	b.body.mu.Lock()
	defer b.body.mu.Unlock()
	if !b.body.over {
		b.call.deadlines.read.move(b.call.out.SetReadDeadline, at)
	}
	return !b.body.over
}

// deadlines are those of the caller's connection.
type deadlines struct{ read, write deadline }

// deadline is the time by which something must happen. Moving it costs a timer, so it is moved by [coarse] steps.
type deadline struct{ at time.Time }

// coarse is how much too early a deadline may be.
const coarse = time.Second

func (d *deadline) move(set func(time.Time) error, to time.Time) {
	if d.at.IsZero() != to.IsZero() || to.Sub(d.at) >= coarse || to.Before(d.at) {
		_ = set(to) // without effect where the writer has no deadlines
		d.at = to
	}
}

// Close implements io.Closer. The server closes the caller's body.
func (b *callerBody) Close() error { return nil }

// relay copies an answer's body to the caller, at once where its length is not known. It reports whether all of it was.
func (c *call) relay(ctx context.Context, w io.Writer, response *http.Response) bool {
	if response.Body == http.NoBody {
		return true
	}
	buffer := c.proxy.buffers.Get().(*[]byte) //nolint:errcheck,forcetypeassert // The pool makes nothing else.
	defer c.proxy.buffers.Put(buffer)
	left, flush := c.proxy.params.MaxResponse, response.ContentLength < 0
	for {
		n, err := response.Body.Read(*buffer)
		if left -= int64(n); left < 0 {
			c.proxy.params.Logger.WarnContext(ctx, "an answer through the proxy was cut off: it is too large", "connection", c.name.Connection)
			return false
		}
		if n > 0 {
			c.deadlines.write.move(c.out.SetWriteDeadline, time.Now().Add(stalled))
			if _, failed := w.Write((*buffer)[:n]); failed != nil {
				return false
			}
			c.passed += int64(n)
		}
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		if flush {
			if failed := c.out.Flush(); failed != nil {
				return false
			}
		}
	}
}

// answer passes the API's answer on.
func (c *call) answer(w http.ResponseWriter, response *http.Response, before *state) {
	after, err := c.source.current()
	if err != nil {
		after = before
	}
	hygiene.Response(w.Header(), response.Header, before.secrets, after.secrets) // it may have been refused, and replaced
	if response.StatusCode == http.StatusNoContent || response.StatusCode == http.StatusNotModified {
		w.Header().Del("Content-Length")
	}
	c.deadlines.write.move(c.out.SetWriteDeadline, time.Now().Add(stalled))
	w.WriteHeader(response.StatusCode)
	if response.ContentLength < 0 {
		_ = c.out.Flush() // the caller sees that there is an answer, although its body takes its time
	}
	if !c.relay(c.in.Context(), w, response) {
		// The caller must not take a part for the whole: the connection, or its stream, breaks off.
		_ = c.out.SetWriteDeadline(time.Unix(1, 0))
	}
}

// drain ends an answer that does not matter.
func drain(response *http.Response) {
	_, _ = io.CopyN(io.Discard, response.Body, maxDrained)
	_ = response.Body.Close()
}
