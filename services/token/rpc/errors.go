package rpc

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/internal/page"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/dpop"
)

// fail turns an error of the domain into a status. It is the only place that does.
func (e *edge) fail(ctx context.Context, key token.Key, err error) error {
	var notUsable *token.NotUsableError
	var failure *token.Failure
	switch {
	case err == nil:
		return nil
	case rpcerr.ReasonOf(err) != errorsv1.Reason_REASON_UNSPECIFIED:
		return err // of the server around us: an invalid message on a stream
	case errors.As(err, &notUsable):
		return rpcerr.New(notUsableCode(notUsable.Reason), reason(notUsable.Reason), "%s", notUsable.Error())
	case errors.As(err, &failure): // of a request that was made for the caller
		return rpcerr.New(notUsableCode(failure.Reason), reason(failure.Reason), "%s", failure.Message)
	case errors.Is(err, token.ErrNotFound):
		return rpcerr.New(codes.NotFound, errorsv1.Reason_TOKEN_NOT_FOUND, "%s does not exist: its connection was deleted or never created", key.Name())
	case errors.Is(err, token.ErrInvalidName):
		return rpcerr.Invalid(rpcerr.Violation{Field: "name", Description: err.Error()})
	case errors.Is(err, token.ErrStateConflict):
		return rpcerr.New(codes.FailedPrecondition, errorsv1.Reason_STATE_CONFLICT, "%s: %s", key.Name(), err)
	case errors.Is(err, token.ErrSuperseded):
		return rpcerr.New(codes.FailedPrecondition, errorsv1.Reason_TOKEN_SUPERSEDED,
			"%s: that credential is not the current one any more; take the newest from the watch", key.Name())
	case errors.Is(err, token.ErrNotBound):
		return rpcerr.New(codes.FailedPrecondition, errorsv1.Reason_DPOP_NOT_BOUND, "%s is not bound to a key: its requests need no proof", key.Name())
	case errors.Is(err, token.ErrNotSigned):
		return rpcerr.New(codes.FailedPrecondition, errorsv1.Reason_REQUESTS_NOT_SIGNED, "%s is not of OAuth 1.0a: its requests are not signed", key.Name())
	case notSignable(err) != nil:
		return notSignable(err)
	case errors.Is(err, dpop.ErrURL):
		return rpcerr.Invalid(rpcerr.Violation{Field: "url", Description: "must be absolute, of scheme http or https"})
	case errors.Is(err, token.ErrUnsupported):
		return rpcerr.Invalid(rpcerr.Violation{Field: "settings", Description: "only OAuth 2.0 settings can be tried whose request spends nothing: " +
			"no refresh token, no code, no token in use"})
	case errors.Is(err, token.ErrShuttingDown):
		return rpcerr.New(codes.Unavailable, errorsv1.Reason_SHUTTING_DOWN, "the process is stopping; connect again")
	case errors.Is(err, page.ErrInvalidToken):
		return rpcerr.New(codes.InvalidArgument, errorsv1.Reason_INVALID_PAGE_TOKEN, "page_token: %s", err)
	default:
		return rpcerr.Internal(ctx, e.log, err)
	}
}

// notUsableCode tells those that pass by themselves from those that somebody must repair.
func notUsableCode(r token.Reason) codes.Code {
	switch r {
	case token.ReasonDeauthorized, token.ReasonGrantDead, token.ReasonClientBroken, token.ReasonConfiguration,
		token.ReasonEgressDenied, token.ReasonRotationLost, token.ReasonSecretUnreadable, token.ReasonProviderNotFound,
		token.ReasonIDTokenRefused:
		return codes.FailedPrecondition
	case token.ReasonConnectionNotFound:
		return codes.NotFound
	case token.ReasonNotReady, token.ReasonExpired, token.ReasonThrottled, token.ReasonAmbiguous, token.ReasonNotSent,
		token.ReasonTooEarly, token.ReasonChallenged, token.ReasonServiceUnavailable, token.ReasonStoreUnavailable, token.ReasonInternalFault:
		return codes.Unavailable
	}
	return codes.Unavailable
}

// reason returns the contract's value of the same name.
func reason(r token.Reason) errorsv1.Reason { return errorsv1.Reason(errorsv1.Reason_value[string(r)]) }
