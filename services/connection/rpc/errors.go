package rpc

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"google.golang.org/grpc/codes"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/connect"
	"github.com/freshet-io/freshet/services/connection/grantjobs"
	"github.com/freshet-io/freshet/services/connection/interfaces"
	"github.com/freshet-io/freshet/services/internal/mapping"
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
	var unmapped *mapping.UnknownError
	var input *mapping.InputError
	var failed *mapping.FailedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &invalid):
		return rpcerr.InvalidReason(violationReason(invalid), violations(kindOf(name), invalid)...)
	case errors.As(err, &mask):
		return rpcerr.InvalidReason(errorsv1.Reason_INVALID_UPDATE_MASK,
			rpcerr.Violation{Field: "update_mask", Description: mask.path + " " + mask.description})
	case errors.Is(err, page.ErrInvalidToken):
		return rpcerr.InvalidReason(errorsv1.Reason_INVALID_PAGE_TOKEN,
			rpcerr.Violation{Field: "page_token", Description: "must be the next_page_token of a call with the same other fields, or empty"})
	case errors.Is(err, connect.ErrNotFound):
		return rpcerr.New(codes.NotFound, errorsv1.Reason_AUTHORIZATION_SESSION_NOT_FOUND, "there is no authorization session %s", name)
	case errors.Is(err, connect.ErrReturnURL):
		return rpcerr.InvalidReason(errorsv1.Reason_RETURN_URL_NOT_ALLOWED, rpcerr.Violation{
			Field: "return_url", Description: "must be one that connect.return_urls of the connection allows",
		})
	case errors.Is(err, connect.ErrNotConfigured):
		return rpcerr.New(codes.FailedPrecondition, errorsv1.Reason_CONNECT_NOT_CONFIGURED, "%s", strings.TrimPrefix(err.Error(), "connect: not configured: "))
	case errors.Is(err, connection.ErrNotFound):
		of, _, _ := strings.Cut(strings.TrimSuffix(name, sessionsPart), "/grants/")
		return rpcerr.New(codes.NotFound, errorsv1.Reason_CONNECTION_NOT_FOUND, "there is no connection %s", of)
	case errors.Is(err, connection.ErrGrantNotFound):
		return rpcerr.New(codes.NotFound, errorsv1.Reason_GRANT_NOT_FOUND, "there is no grant %s", name)
	case errors.Is(err, grantjobs.ErrNotFound):
		return rpcerr.New(codes.NotFound, errorsv1.Reason_GRANT_JOB_NOT_FOUND, "there is no grant job %s", name)
	case errors.Is(err, grantjobs.ErrExists):
		return rpcerr.New(codes.AlreadyExists, errorsv1.Reason_RESOURCE_EXISTS, "a grant job %s exists already", name)
	case errors.Is(err, grantjobs.ErrEnded):
		return rpcerr.New(codes.FailedPrecondition, errorsv1.Reason_STATE_CONFLICT,
			"the grant job %s: a job can be cancelled until it has ended, and deleted once it has", name)
	case errors.Is(err, grantjobs.ErrLimit):
		return rpcerr.New(codes.ResourceExhausted, errorsv1.Reason_LIMIT_EXCEEDED,
			"%d grant jobs of the project have not ended; wait for one, or cancel it", grantjobs.MaxRunning)
	case errors.Is(err, connection.ErrNoUsers):
		return rpcerr.New(codes.FailedPrecondition, errorsv1.Reason_STATE_CONFLICT,
			"the connection has a token of its own; grants are of connections with grant_type AUTHORIZATION_CODE that were created without authorization_code")
	case errors.Is(err, connection.ErrOfUsers):
		return rpcerr.New(codes.FailedPrecondition, errorsv1.Reason_STATE_CONFLICT,
			"the connection %s has no token of its own; its grants have", name)
	case errors.Is(err, connection.ErrInUse):
		return rpcerr.New(codes.FailedPrecondition, errorsv1.Reason_RESOURCE_IN_USE, "the connection %s has grants; delete them first", name)
	case errors.As(err, &unknown):
		return rpcerr.New(codes.NotFound, errorsv1.Reason_PROVIDER_NOT_FOUND,
			"the catalogue has no provider %s; ListProviders says which there are", unknown.ID)
	case errors.Is(err, interfaces.ErrNotFound):
		return rpcerr.New(codes.NotFound, errorsv1.Reason_INTERFACE_NOT_FOUND, "there is no interface %s", name)
	case errors.As(err, &unmapped):
		return rpcerr.New(codes.NotFound, errorsv1.Reason_OPERATION_NOT_FOUND, "%s", unmapped.Description)
	case errors.As(err, &input):
		return rpcerr.Invalid(inputViolations(input)...)
	case errors.As(err, &failed):
		return rpcerr.New(codes.FailedPrecondition, errorsv1.Reason_MAPPING_FAILED, "%s %s", failed.Field, failed.Description)
	case errors.Is(err, connection.ErrNoAPI):
		return rpcerr.New(codes.FailedPrecondition, errorsv1.Reason_API_NOT_CONFIGURED,
			"neither api_base_url of the connection nor its provider says where the API is: set api_base_url")
	case errors.Is(err, connection.ErrDeleting):
		return rpcerr.New(codes.FailedPrecondition, errorsv1.Reason_STATE_CONFLICT,
			"the %s %s is being deleted; once it is gone, the name can be used again", kindOf(name), name)
	case errors.Is(err, connection.ErrExists):
		return rpcerr.New(codes.AlreadyExists, errorsv1.Reason_RESOURCE_EXISTS, "a %s %s exists already", kindOf(name), name)
	case errors.Is(err, connection.ErrETag):
		return rpcerr.New(codes.Aborted, errorsv1.Reason_ETAG_MISMATCH,
			"the %s %s was changed since the given etag was read; read it again", kindOf(name), name)
	case errors.Is(err, connection.ErrStale):
		return rpcerr.New(codes.Aborted, errorsv1.Reason_ETAG_MISMATCH, "the %s is changed by others all the time; try again", kindOf(name))
	case errors.Is(err, connection.ErrSecretsUnreadable):
		logger.ErrorContext(ctx, "stored secrets cannot be opened", "resource", name, "error", err)
		return rpcerr.New(codes.FailedPrecondition, errorsv1.Reason_SECRET_UNREADABLE,
			"the stored secrets cannot be opened with the present master key; restore the key, or set all secrets of the %s anew", kindOf(name))
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

// kindOf is what a resource name is the name of.
func kindOf(name string) string {
	switch {
	case strings.Contains(name, sessionsPart):
		return "authorization session"
	case strings.Contains(name, "/grants/"):
		return "grant"
	case strings.Contains(name, "/grantJobs/"):
		return "grant_job"
	case strings.Contains(name, "/interfaces/"):
		return "interface"
	default:
		return "connection"
	}
}

// inputViolations gives the faults of an operation's input the paths they have in a request.
func inputViolations(e *mapping.InputError) []rpcerr.Violation {
	list := make([]rpcerr.Violation, len(e.Violations))
	for i, v := range e.Violations {
		list[i] = rpcerr.Violation{Field: joined("input", v.Field), Description: v.Description}
	}
	return list
}

// sessionsPart is in the name of what is no resource that a request brings as a whole.
const sessionsPart = "/authorizationSessions/"

// violations gives the fields of a connection or grant the paths they have in a request.
func violations(kind string, e *connection.ValidationError) []rpcerr.Violation {
	list := make([]rpcerr.Violation, len(e.Violations))
	for i, v := range e.Violations {
		field := joined(kind, v.Field)
		if kind == "authorization session" {
			field = v.Field
		}
		list[i] = rpcerr.Violation{Field: field, Description: v.Description}
	}
	return list
}

// joined leaves out the point where a violation is of the whole, or of a field of the request itself.
func joined(parent, field string) string {
	switch {
	case field == "":
		return parent
	case parent == "":
		return field
	default:
		return parent + "." + field
	}
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
