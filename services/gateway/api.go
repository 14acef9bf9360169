package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

const (
	headerAuthorization = "Authorization"
	headerAPIKey        = "X-Api-Key"
)

const (
	// maxBody bounds the body of a request: the largest PutEvents (1 MiB of events) with room for JSON escapes, and less than the 4 MiB
	// of a message that the services take, so that it is here where a request is found too large.
	maxBody = 3 << 20
	// bodyTimeout is how long a body may take to arrive.
	bodyTimeout = 30 * time.Second
	// callTimeout bounds a call that is no stream. The services bound their work more tightly; this is for one that hangs.
	callTimeout = 2 * time.Minute
	// writeTimeout is how long a caller may take nothing of what is written to it.
	writeTimeout = 30 * time.Second
)

// api serves /v1.
type api struct {
	authenticate func(metadata.MD) error
	routes       routes
	calls        *runtime.ServeMux
	cloudEvents  *cloudEvents
	problems     problemWriter
}

// ServeHTTP implements http.Handler.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Answers hold tokens: no cache may keep them (RFC 6749 section 5.1).
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")

	if err := a.authenticate(credentials(r.Header)); err != nil {
		a.problems.error(r.Context(), w, err)
		return
	}
	if bus, ok := cloudEventsBus(r.URL.EscapedPath()); ok {
		a.cloudEvents.serve(w, r, bus)
		return
	}
	matched, allowed := a.routes.find(r.Method, r.URL.EscapedPath())
	if matched == nil {
		a.problems.notServed(w, r, allowed)
		return
	}
	r.Pattern = matched.method + " " + matched.template // for the name of the span and the metrics

	call, err := a.admit(matched, w, r)
	if err != nil {
		a.problems.error(r.Context(), w, err)
		return
	}
	if matched.stream {
		a.stream(w, call)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
	defer cancel()
	// Without effect where the writer has no deadlines; net/http takes it back after the answer.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(callTimeout + writeTimeout))
	a.calls.ServeHTTP(w, call.WithContext(ctx))
}

// credentials are the headers that say who calls, as metadata.
func credentials(header http.Header) metadata.MD {
	md := metadata.MD{}
	for _, name := range []string{headerAuthorization, headerAPIKey} {
		if values := header.Values(name); len(values) > 0 {
			md[strings.ToLower(name)] = values
		}
	}
	return md
}

// admit returns the request as the gateway library may see it: made anew from the path, the query parameters of the method, the whole
// body and the caller's credential. Nothing else that a caller sends has an effect: not Grpc-Metadata-*, not Grpc-Timeout (a caller
// that gives up closes the request), no method override, and no X-Forwarded-*, which anybody can write.
func (a *api) admit(matched *route, w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	query, err := matched.parseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	body, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	if matched.body == "" && hasContent(body) {
		return nil, rpcerr.Invalid(rpcerr.Violation{Field: "body", Description: "must be empty: the method has none"})
	}
	if r.Method == http.MethodPatch && !query.Has(parameterUpdateMask) {
		if mask := matched.maskOf(body); mask != "" {
			query.Set(parameterUpdateMask, mask)
		}
	}
	header := make(http.Header, 3)
	for _, name := range []string{headerAuthorization, headerAPIKey} {
		if values := r.Header.Values(name); len(values) > 0 {
			header[name] = values
		}
	}
	if matched.stream {
		header.Set("Accept", streamType(r.Header.Values("Accept")))
	}
	call := &http.Request{
		Method:        r.Method,
		URL:           &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: query.Encode()},
		Proto:         r.Proto,
		ProtoMajor:    r.ProtoMajor,
		ProtoMinor:    r.ProtoMinor,
		Header:        header,
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
	}
	return call.WithContext(r.Context()), nil
}

// hasContent reports whether a body says something; an empty object does not.
func hasContent(body []byte) bool {
	text := bytes.TrimSpace(body)
	return len(text) > 0 && string(text) != "{}"
}

// boundBody sets the time by which the body of a request must be here. It counts for requests that are refused unread as well: net/http
// reads what is left of their body before it answers.
func boundBody(w http.ResponseWriter, r *http.Request) {
	if r.Body != nil && r.Body != http.NoBody {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout)) // without effect where the writer has no deadlines
	}
}

// readBody returns the whole body of a call.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) { return readUpTo(w, r, maxBody) }

// readUpTo returns the whole body, whose size and time of arrival ([boundBody]) are bounded.
func readUpTo(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close") // rather than read the rest
		return nil, tooLarge(limit)
	}
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var exceeded *http.MaxBytesError
	var network net.Error
	switch {
	case err == nil:
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
		return body, nil
	case errors.As(err, &exceeded):
		w.Header().Set("Connection", "close")
		return nil, tooLarge(limit)
	case errors.As(err, &network) && network.Timeout():
		w.Header().Set("Connection", "close")
		return nil, &httpError{code: http.StatusRequestTimeout, err: rpcerr.New(codes.DeadlineExceeded, errorsv1.Reason_DEADLINE_EXCEEDED,
			"the body of the request did not arrive within %v", bodyTimeout)}
	default:
		return nil, rpcerr.Invalid(rpcerr.Violation{Field: "body", Description: "cannot be read to its end"})
	}
}

// tooLarge answers a body above a limit.
func tooLarge(limit int64) error {
	return &httpError{
		code: http.StatusRequestEntityTooLarge,
		err:  rpcerr.New(codes.ResourceExhausted, errorsv1.Reason_LIMIT_EXCEEDED, "the body of a request may have at most %d MiB", limit>>20),
	}
}
