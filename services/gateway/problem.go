package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

const mimeProblem = "application/problem+json"

// problem is an error answer, RFC 9457, with the stable reason as extension member.
type problem struct {
	Type    string         `json:"type"`
	Title   string         `json:"title"`
	Status  int            `json:"status"`
	Detail  string         `json:"detail,omitempty"`
	Reason  string         `json:"reason"`
	TraceID string         `json:"traceId,omitempty"`
	Errors  []problemField `json:"errors,omitempty"`
	// Metadata is what more there is of the reason, for programs.
	Metadata map[string]string `json:"metadata,omitempty"`
}

// problemField is one field of the request that is wrong, by its path from the request message in lowerCamelCase.
type problemField struct {
	Field       string `json:"field"`
	Description string `json:"description"`
}

// httpError is a status whose HTTP code is not that of its gRPC code.
type httpError struct {
	code int
	err  error
}

func (e *httpError) Error() string { return e.err.Error() }

// problemWriter answers errors.
type problemWriter struct{ log *slog.Logger }

// handle answers the errors of calls.
func (p problemWriter) handle(ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, _ *http.Request, err error) {
	p.write(ctx, w, p.ofCall(ctx, callStatus(ctx, err)))
}

// handleRouting answers what the gateway library's routing refuses that ours let through.
func (p problemWriter) handleRouting(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, _ int) {
	p.notServed(w, r, nil)
}

// notServed answers a path at which nothing is served, or only with the allowed methods.
func (p problemWriter) notServed(w http.ResponseWriter, r *http.Request, allowed []string) {
	if len(allowed) == 0 {
		p.error(r.Context(), w, rpcerr.New(codes.NotFound, errorsv1.Reason_PATH_NOT_FOUND, "nothing is served at %s; see /openapi.json", r.URL.EscapedPath()))
		return
	}
	methods := strings.Join(allowed, ", ")
	w.Header().Set("Allow", methods)
	p.error(r.Context(), w, &httpError{
		code: http.StatusMethodNotAllowed,
		err:  rpcerr.New(codes.Unimplemented, errorsv1.Reason_METHOD_NOT_SERVED, "%s is not served at %s, but %s", r.Method, r.URL.EscapedPath(), methods),
	})
}

// error answers an error of the gateway itself.
func (p problemWriter) error(ctx context.Context, w http.ResponseWriter, err error) {
	var other *httpError
	if !errors.As(err, &other) {
		st := status.Convert(err)
		if reasonOf(st) == "" {
			st = p.withReason(ctx, st)
		}
		p.write(ctx, w, newProblem(ctx, st))
		return
	}
	out := newProblem(ctx, status.Convert(other.err))
	out.Status, out.Title = other.code, http.StatusText(other.code)
	p.write(ctx, w, out)
}

func (p problemWriter) write(ctx context.Context, w http.ResponseWriter, out problem) {
	header := w.Header()
	header.Set("Content-Type", mimeProblem)
	header.Del("Content-Length")
	header.Del("Trailer")
	if out.Status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", `Bearer realm="freshet"`)
	}
	w.WriteHeader(out.Status)
	if _, err := w.Write(append(p.encode(ctx, out), '\n')); err != nil {
		p.log.DebugContext(ctx, "the caller left before its error answer", "error", err)
	}
}

// encode returns v, a problem or an object of problems, as one line of JSON.
func (p problemWriter) encode(ctx context.Context, v any) []byte {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		p.log.ErrorContext(ctx, "cannot encode a problem", "error", err)
		return []byte(`{"type":"urn:freshet:reason:INTERNAL_FAULT","title":"Internal Server Error","status":500,"reason":"INTERNAL_FAULT"}`)
	}
	return bytes.TrimRight(text.Bytes(), "\n")
}

// ofCall returns the problem of a call that failed. Fields get the spelling they have in JSON. What a service did not mean as its answer
// (it has no reason), but the connection to it or the gateway library made, may name addresses: it is logged, and only the faults of the
// request itself are repeated.
func (p problemWriter) ofCall(ctx context.Context, st *status.Status) problem {
	if reasonOf(st) == "" {
		st = p.withReason(ctx, st)
	}
	out := newProblem(ctx, st)
	contract, spelled := make([]string, len(out.Errors)), make([]string, len(out.Errors))
	for i, field := range out.Errors {
		contract[i] = field.Field + ": " + field.Description
		out.Errors[i].Field = camelPath(field.Field)
		spelled[i] = out.Errors[i].Field + ": " + field.Description
	}
	if out.Detail == strings.Join(contract, "; ") {
		out.Detail = strings.Join(spelled, "; ")
	}
	return out
}

// withReason returns the status that the caller gets instead of one without a reason of ours.
func (p problemWriter) withReason(ctx context.Context, st *status.Status) *status.Status {
	var err error
	switch st.Code() {
	case codes.InvalidArgument:
		err = rpcerr.New(codes.InvalidArgument, errorsv1.Reason_INVALID_FIELD, "%s", st.Message())
	case codes.Canceled, codes.DeadlineExceeded:
		err = rpcerr.New(codes.DeadlineExceeded, errorsv1.Reason_DEADLINE_EXCEEDED, "the call ended before its work was done")
	case codes.ResourceExhausted:
		p.log.WarnContext(ctx, "a call met a limit", "error", st.Err())
		err = rpcerr.New(codes.ResourceExhausted, errorsv1.Reason_LIMIT_EXCEEDED, "the request or its answer is too large")
	case codes.Unavailable:
		p.log.WarnContext(ctx, "a service cannot be reached", "error", st.Err())
		err = rpcerr.New(codes.Unavailable, errorsv1.Reason_SERVICE_UNAVAILABLE, "a service cannot be reached at the moment; try again")
	case codes.Unimplemented:
		err = rpcerr.New(codes.Unimplemented, errorsv1.Reason_METHOD_NOT_SERVED, "the method is not served")
	default:
		p.log.ErrorContext(ctx, "a call failed without a reason", "error", st.Err())
		err = rpcerr.New(codes.Internal, errorsv1.Reason_INTERNAL_FAULT, "internal fault")
	}
	return status.Convert(err)
}

func newProblem(ctx context.Context, st *status.Status) problem {
	reason := reasonOf(st)
	code := runtime.HTTPStatusFromCode(st.Code())
	out := problem{
		Type:   "urn:freshet:reason:" + reason,
		Title:  http.StatusText(code),
		Status: code,
		Detail: st.Message(),
		Reason: reason,
	}
	if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
		out.TraceID = span.TraceID().String()
	}
	for _, item := range st.Details() {
		switch item := item.(type) {
		case *errdetails.BadRequest:
			for _, violation := range item.GetFieldViolations() {
				out.Errors = append(out.Errors, problemField{Field: violation.GetField(), Description: violation.GetDescription()})
			}
		case *errdetails.ErrorInfo:
			out.Metadata = item.GetMetadata()
		}
	}
	return out
}

// reasonOf returns the reason that a status carries, "" if none; also one that is newer than this gateway.
func reasonOf(st *status.Status) string {
	for _, item := range st.Details() {
		if info, ok := item.(*errdetails.ErrorInfo); ok && info.GetDomain() == rpcerr.Domain {
			return info.GetReason()
		}
	}
	return ""
}
