package rpcerr

import (
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
)

// Keys of the metadata of an ErrorInfo with the reason UPSTREAM_ERROR.
const (
	MetadataKind   = "kind"           // what the error stands for: NOT_FOUND, RATE_LIMITED …
	MetadataStatus = "upstreamStatus" // the HTTP status that the API answered with
)

// Upstream returns a status with the reason UPSTREAM_ERROR, for what somebody else's API answered: what kind of error that is, with which HTTP
// status, and, unless it is 0, when to come back as google.rpc.RetryInfo.
func Upstream(code codes.Code, kind string, httpStatus int, after time.Duration, message string) error {
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{
		Reason: errorsv1.Reason_UPSTREAM_ERROR.String(), Domain: Domain,
		Metadata: map[string]string{MetadataKind: kind, MetadataStatus: strconv.Itoa(httpStatus)},
	}}
	if after > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
	}
	return build(code, message, details...)
}
