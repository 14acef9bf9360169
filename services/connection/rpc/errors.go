package rpc

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"google.golang.org/grpc/codes"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/internal/page"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// maskError says which path of an update mask is wrong.
type maskError struct {
	path        string
	description string
}

// Error implements error.
func (e *maskError) Error() string { return "update_mask: " + e.path + ": " + e.description }

// toStatus is the one place where errors of this service become statuses. name is the resource that the call is about.
func toStatus(ctx context.Context, logger *slog.Logger, name string, err error) error {
	var invalid *connection.ValidationError
	var mask *maskError
	var unknown *connection.UnknownProviderError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &invalid):
		return rpcerr.InvalidReason(violationReason(invalid), violations(invalid)...)
	case errors.As(err, &mask):
		return rpcerr.InvalidReason(errorsv1.Reason_INVALID_UPDATE_MASK,
			rpcerr.Violation{Field: "update_mask", Description: mask.path + " " + mask.description})
	case errors.Is(err, page.ErrInvalidToken):
		return rpcerr.InvalidReason(errorsv1.Reason_INVALID_PAGE_TOKEN,
			rpcerr.Violation{Field: "page_token", Description: "must be the next_page_token of a call with the same other fields, or empty"})
	case errors.Is(err, connection.ErrNotFound):
		return rpcerr.New(codes.NotFound, errorsv1.Reason_CONNECTION_NOT_FOUND, "there is no connection %s", name)
	case errors.As(err, &unknown):
		return rpcerr.New(codes.NotFound, errorsv1.Reason_PROVIDER_NOT_FOUND,
			"the catalogue has no provider %s; ListProviders says which there are", unknown.ID)
	case errors.Is(err, connection.ErrNoAPI):
		return rpcerr.New(codes.FailedPrecondition, errorsv1.Reason_API_NOT_CONFIGURED,
			"neither api_base_url of the connection nor its provider says where the API is: set api_base_url")
	case errors.Is(err, connection.ErrDeleting):
		return rpcerr.New(codes.FailedPrecondition, errorsv1.Reason_STATE_CONFLICT,
			"the connection %s is being deleted; once it is gone, the name can be used again", name)
	case errors.Is(err, connection.ErrExists):
		return rpcerr.New(codes.AlreadyExists, errorsv1.Reason_RESOURCE_EXISTS, "a connection %s exists already", name)
	case errors.Is(err, connection.ErrETag):
		return rpcerr.New(codes.Aborted, errorsv1.Reason_ETAG_MISMATCH,
			"the connection %s was changed since the given etag was read; read it again", name)
	case errors.Is(err, connection.ErrStale):
		return rpcerr.New(codes.Aborted, errorsv1.Reason_ETAG_MISMATCH, "the connection is changed by others all the time; try again")
	case errors.Is(err, connection.ErrSecretsUnreadable):
		logger.ErrorContext(ctx, "stored secrets cannot be opened", "connection", name, "error", err)
		return rpcerr.New(codes.FailedPrecondition, errorsv1.Reason_SECRET_UNREADABLE,
			"the stored secrets cannot be opened with the present master key; restore the key, or set all secrets of the connection anew")
	default:
		return rpcerr.Internal(ctx, logger, err)
	}
}

func violationReason(e *connection.ValidationError) errorsv1.Reason {
	if e.Egress {
		return errorsv1.Reason_EGRESS_DENIED
	}
	return errorsv1.Reason_INVALID_FIELD
}

// violations gives the fields of a connection the paths they have in a request.
func violations(e *connection.ValidationError) []rpcerr.Violation {
	list := make([]rpcerr.Violation, len(e.Violations))
	for i, v := range e.Violations {
		list[i] = rpcerr.Violation{Field: joined("connection", v.Field), Description: v.Description}
	}
	return list
}

// joined leaves out the point where a violation is of the whole connection.
func joined(parent, field string) string {
	if field == "" {
		return parent
	}
	return parent + "." + field
}

func parseName(field, name string) (connection.Name, error) {
	parsed, err := connection.ParseName(name)
	if err != nil {
		return connection.Name{}, rpcerr.Invalid(rpcerr.Violation{
			Field: field, Description: "must have the form projects/{project}/connections/{connection}",
		})
	}
	return parsed, nil
}

func parseParent(parent string) (project string, err error) {
	project, ok := strings.CutPrefix(parent, "projects/")
	if !ok || project == "" || strings.Contains(project, "/") {
		return "", rpcerr.Invalid(rpcerr.Violation{Field: "parent", Description: "must have the form projects/{project}"})
	}
	return project, nil
}
