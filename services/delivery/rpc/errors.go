package rpc

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/jobs"
	"github.com/freshet-io/freshet/services/internal/page"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// maskError says what is wrong with an update mask.
type maskError struct{ description string }

// Error implements error.
func (e *maskError) Error() string { return "update_mask: " + e.description }

// filterError says what is wrong with a filter.
type filterError struct{ description string }

// Error implements error.
func (e *filterError) Error() string { return "filter: " + e.description }

// fail is the one place where errors of this service become statuses.
func (s *server) fail(ctx context.Context, err error) error {
	var invalid *delivery.InvalidError
	var mask *maskError
	var filter *filterError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &invalid):
		return rpcerr.InvalidReason(invalidReason(invalid.Kind), violations(invalid)...)
	case errors.As(err, &mask):
		return invalidField(errorsv1.Reason_INVALID_UPDATE_MASK, "update_mask", mask.description)
	case errors.As(err, &filter):
		return invalidField(errorsv1.Reason_INVALID_FILTER, "filter", filter.description)
	case errors.Is(err, page.ErrInvalidToken):
		return invalidField(errorsv1.Reason_INVALID_PAGE_TOKEN, "page_token",
			"must be the next_page_token of a call with the same parent and filter, or empty")
	case errors.Is(err, delivery.ErrBusNotFound):
		return rpcerr.New(codes.NotFound, errorsv1.Reason_BUS_NOT_FOUND, "%s", err)
	case errors.Is(err, delivery.ErrRuleNotFound):
		return rpcerr.New(codes.NotFound, errorsv1.Reason_RULE_NOT_FOUND, "%s", err)
	case errors.Is(err, delivery.ErrDestinationNotFound):
		return rpcerr.New(codes.NotFound, errorsv1.Reason_DESTINATION_NOT_FOUND, "%s", err)
	case errors.Is(err, delivery.ErrDeliveryNotFound):
		return rpcerr.New(codes.NotFound, errorsv1.Reason_DELIVERY_NOT_FOUND, "%s", err)
	case errors.Is(err, jobs.ErrReplayNotFound):
		return rpcerr.New(codes.NotFound, errorsv1.Reason_REPLAY_NOT_FOUND, "%s", err)
	case errors.Is(err, jobs.ErrRedriveNotFound):
		return rpcerr.New(codes.NotFound, errorsv1.Reason_REDRIVE_NOT_FOUND, "%s", err)
	case errors.Is(err, jobs.ErrLimit), errors.Is(err, delivery.ErrLimit):
		return rpcerr.New(codes.ResourceExhausted, errorsv1.Reason_LIMIT_EXCEEDED, "%s", err)
	case errors.Is(err, delivery.ErrArchiveNotFound):
		return rpcerr.New(codes.NotFound, errorsv1.Reason_ARCHIVE_NOT_FOUND, "%s", err)
	case errors.Is(err, delivery.ErrScheduleNotFound):
		return rpcerr.New(codes.NotFound, errorsv1.Reason_SCHEDULE_NOT_FOUND, "%s", err)
	case errors.Is(err, delivery.ErrSigningKeyNotFound):
		return rpcerr.New(codes.NotFound, errorsv1.Reason_SIGNING_KEY_NOT_FOUND, "%s", err)
	case errors.Is(err, delivery.ErrConnectionNotFound):
		return rpcerr.New(codes.NotFound, errorsv1.Reason_CONNECTION_NOT_FOUND, "%s", err)
	case errors.Is(err, delivery.ErrWebhookNotFound):
		return rpcerr.New(codes.NotFound, errorsv1.Reason_WEBHOOK_NOT_FOUND, "%s", err)
	case errors.Is(err, delivery.ErrRefused):
		return rpcerr.New(codes.Unauthenticated, errorsv1.Reason_UNAUTHENTICATED, "%s", err)
	case errors.Is(err, delivery.ErrExists):
		return rpcerr.New(codes.AlreadyExists, errorsv1.Reason_RESOURCE_EXISTS, "%s", err)
	case errors.Is(err, delivery.ErrEtagMismatch):
		return rpcerr.New(codes.Aborted, errorsv1.Reason_ETAG_MISMATCH, "%s", err)
	case errors.Is(err, delivery.ErrInUse):
		return rpcerr.New(codes.FailedPrecondition, errorsv1.Reason_RESOURCE_IN_USE, "%s", err)
	case errors.Is(err, delivery.ErrStateConflict):
		return rpcerr.New(codes.FailedPrecondition, errorsv1.Reason_STATE_CONFLICT, "%s", err)
	default:
		return rpcerr.Internal(ctx, s.logger, err)
	}
}

func invalidReason(kind delivery.Kind) errorsv1.Reason {
	switch kind {
	case delivery.KindPattern:
		return errorsv1.Reason_INVALID_EVENT_PATTERN
	case delivery.KindEgress:
		return errorsv1.Reason_EGRESS_DENIED
	case delivery.KindSchedule:
		return errorsv1.Reason_INVALID_SCHEDULE
	case delivery.KindField:
	}
	return errorsv1.Reason_INVALID_FIELD
}

func violations(e *delivery.InvalidError) []rpcerr.Violation {
	list := make([]rpcerr.Violation, len(e.Violations))
	for i, v := range e.Violations {
		list[i] = rpcerr.Violation{Field: v.Field, Description: v.Description}
	}
	return list
}

func invalidField(reason errorsv1.Reason, field, description string) error {
	return rpcerr.InvalidReason(reason, rpcerr.Violation{Field: field, Description: description})
}
