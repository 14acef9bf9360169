package calls

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/gateway/proxy"
	"github.com/freshet-io/freshet/services/internal/mapping"
	"github.com/freshet-io/freshet/services/internal/page"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// upstreamError is an API's error with when to come back; 0: it does not say.
type upstreamError struct {
	*mapping.APIError
	after time.Duration
}

// Unwrap returns the API's error.
func (e *upstreamError) Unwrap() error { return e.APIError }

// longestAfter bounds what is passed on of when to come back.
const longestAfter = time.Hour

// retryAfter reads the header Retry-After where it is in seconds (RFC 9110 section 10.2.3).
func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.Atoi(header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, longestAfter)
}

// fail is the one place where errors of calls become statuses.
func (s *Server) fail(ctx context.Context, err error) error {
	var unknown *mapping.UnknownError
	var input *mapping.InputError
	var failed *mapping.FailedError
	var upstream *upstreamError
	var through *proxy.Error
	switch {
	case errors.As(err, &through):
		return through.Unwrap()
	case rpcerr.ReasonOf(err) != errorsv1.Reason_REASON_UNSPECIFIED:
		return status.Convert(err).Err()
	case errors.As(err, &unknown):
		return rpcerr.New(codes.NotFound, errorsv1.Reason_OPERATION_NOT_FOUND, "%s", unknown.Description)
	case errors.As(err, &input):
		violations := make([]rpcerr.Violation, len(input.Violations))
		for i, v := range input.Violations {
			violations[i] = rpcerr.Violation{Field: "input", Description: v.Description}
			if v.Field != "" {
				violations[i].Field += "." + v.Field
			}
		}
		return rpcerr.Invalid(violations...)
	case errors.As(err, &failed):
		return rpcerr.New(codes.FailedPrecondition, errorsv1.Reason_MAPPING_FAILED, "%s %s", failed.Field, failed.Description)
	case errors.As(err, &upstream):
		return ofUpstream(upstream)
	case errors.Is(err, page.ErrInvalidToken):
		return rpcerr.InvalidReason(errorsv1.Reason_INVALID_PAGE_TOKEN, rpcerr.Violation{
			Field: "page_token", Description: "must be the next_page_token of a call with the same other fields and an unchanged interface, or empty",
		})
	default:
		return rpcerr.Internal(ctx, s.params.Logger, err)
	}
}

func ofUpstream(e *upstreamError) error {
	code := map[mapping.Kind]codes.Code{
		mapping.KindInvalid: codes.InvalidArgument, mapping.KindUnauthenticated: codes.FailedPrecondition,
		mapping.KindPermissionDenied: codes.PermissionDenied, mapping.KindNotFound: codes.NotFound, mapping.KindConflict: codes.Aborted,
		mapping.KindRateLimited: codes.ResourceExhausted, mapping.KindUnavailable: codes.Unavailable, mapping.KindUnexpected: codes.Unknown,
	}[e.Kind]
	message := "the API answered " + strconv.Itoa(e.Status) + ", which is " + string(e.Kind)
	if e.Message != "" {
		message += ": " + e.Message
	}
	return rpcerr.Upstream(code, string(e.Kind), e.Status, e.after, message)
}
