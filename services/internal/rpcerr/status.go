package rpcerr

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
)

// Domain is the `domain` of every google.rpc.ErrorInfo of ours.
const Domain = "freshet.io"

// Violation says what is wrong with one field of a request.
type Violation struct {
	// Field is the path to the field in proto spelling, from the request
	// message: "connection.oauth2.token_endpoint", "entries[2].detail".
	Field string
	// Description says what is allowed, so that it can be repaired without
	// reading elsewhere. It never repeats a secret value.
	Description string
}

// New returns a status error with an ErrorInfo that names reason. The message is
// for callers: it holds no secrets and nothing of our insides.
func New(code codes.Code, reason errorsv1.Reason, format string, args ...any) error {
	return build(code, fmt.Sprintf(format, args...), info(reason))
}

// Exhausted returns RESOURCE_EXHAUSTED with the reason LIMIT_EXCEEDED, and as
// google.rpc.RetryInfo when it is worth another try.
func Exhausted(retry time.Duration, format string, args ...any) error {
	return build(codes.ResourceExhausted, fmt.Sprintf(format, args...), info(errorsv1.Reason_LIMIT_EXCEEDED),
		&errdetails.RetryInfo{RetryDelay: durationpb.New(retry)})
}

// WithRetry adds when to come back, as google.rpc.RetryInfo, to a status error;
// nothing if that is not known (0).
func WithRetry(err error, after time.Duration) error {
	if after <= 0 {
		return err
	}
	st, details := status.Convert(err).WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
	if details != nil { // only of code OK
		return err
	}
	return st.Err()
}

// Invalid returns INVALID_ARGUMENT with the reason INVALID_FIELD and all
// violations as google.rpc.BadRequest.
func Invalid(violations ...Violation) error {
	return InvalidReason(errorsv1.Reason_INVALID_FIELD, violations...)
}

// InvalidReason is [Invalid] with a more precise reason, such as
// INVALID_EVENT_PATTERN or EGRESS_DENIED.
func InvalidReason(reason errorsv1.Reason, violations ...Violation) error {
	bad := &errdetails.BadRequest{}
	texts := make([]string, 0, len(violations))
	for _, v := range violations {
		bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{
			Field:       v.Field,
			Description: v.Description,
			Reason:      reason.String(),
		})
		texts = append(texts, v.text())
	}
	message := "invalid request"
	if len(texts) > 0 {
		message = strings.Join(texts, "; ")
	}
	return build(codes.InvalidArgument, message, info(reason), bad)
}

// ReasonOf returns the reason that a status error carries, and
// REASON_UNSPECIFIED for errors without one: no status, another domain's, or a
// reason newer than this build.
func ReasonOf(err error) errorsv1.Reason {
	st, ok := status.FromError(err)
	if !ok {
		return errorsv1.Reason_REASON_UNSPECIFIED
	}
	return errorsv1.Reason(errorsv1.Reason_value[ourInfo(st).GetReason()])
}

// ourInfo returns the ErrorInfo of a status that was built by us, here or in
// another service, nil for any other.
func ourInfo(st *status.Status) *errdetails.ErrorInfo {
	for _, detail := range st.Details() {
		if i, ok := detail.(*errdetails.ErrorInfo); ok && i.GetDomain() == Domain {
			return i
		}
	}
	return nil
}

func (v Violation) text() string {
	if v.Field == "" {
		return v.Description
	}
	return v.Field + ": " + v.Description
}

func info(reason errorsv1.Reason) *errdetails.ErrorInfo {
	return &errdetails.ErrorInfo{Reason: reason.String(), Domain: Domain}
}

func build(code codes.Code, message string, details ...protoadapt.MessageV1) error {
	// gRPC lets no status of code OK be an error; one built by mistake would
	// turn a failure into a success.
	if code == codes.OK {
		code = codes.Internal
	}
	st, err := status.New(code, message).WithDetails(details...)
	if err != nil { // only details that cannot be encoded; ours can
		return status.Error(code, message)
	}
	return st.Err()
}
