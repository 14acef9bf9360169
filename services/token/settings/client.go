package settings

import (
	"context"
	"sync"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/token"
)

// Client asks the connection service. It implements token.SettingsSource.
//
// Tokens become due together, so questions do. While some are under way others gather, and are asked as one.
type Client struct {
	connections connectionv1.ConnectionInternalServiceClient

	mu      sync.Mutex
	waiting []*question
	asking  int // calls under way
}

var _ token.SettingsSource = (*Client)(nil)

// New returns a Client on a connection to the connection service.
func New(conn grpc.ClientConnInterface) *Client {
	return &Client{connections: connectionv1.NewConnectionInternalServiceClient(conn)}
}

// AuthorizationSettings implements token.SettingsSource.
func (c *Client) AuthorizationSettings(ctx context.Context, name string) (token.Settings, error) {
	q := &question{name: name, parent: trace.SpanContextFromContext(ctx), answered: make(chan struct{})}
	if c.enqueue(q) {
		go c.ask() //nolint:gosec // for others as well, who still wait when this caller has left
	}
	select {
	case <-q.answered:
		return q.settings, q.err
	case <-ctx.Done():
		return token.Settings{}, failure(errorsv1.Reason_REASON_UNSPECIFIED, status.FromContextError(ctx.Err()).Code())
	}
}

// failure says what a failed question means. None of it is the authorization server's doing.
func failure(reason errorsv1.Reason, code codes.Code) *token.Failure {
	f := &token.Failure{
		Class: token.ClassOurs, Reason: token.ReasonInternalFault,
		Message: "the connection's settings could not be read: internal fault",
	}
	switch reason {
	case errorsv1.Reason_CONNECTION_NOT_FOUND:
		f.Reason, f.Message = token.ReasonConnectionNotFound, "the connection does not exist"
		return f
	case errorsv1.Reason_GRANT_NOT_FOUND:
		f.Reason, f.Message = token.ReasonConnectionNotFound, "the grant does not exist"
		return f
	case errorsv1.Reason_SECRET_UNREADABLE:
		f.Reason, f.Message = token.ReasonSecretUnreadable, "the connection's secrets cannot be opened with the present master key"
		return f
	case errorsv1.Reason_PROVIDER_NOT_FOUND:
		f.Reason, f.Message = token.ReasonProviderNotFound, "the connection names a provider that the catalogue does not have any more"
		return f
	case errorsv1.Reason_INVALID_FIELD:
		f.Reason, f.Message = token.ReasonConfiguration, "the connection does not fit its provider's entry of the catalogue any more"
		return f
	default:
	}
	switch code {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		f.Reason, f.Message = token.ReasonServiceUnavailable, "the connection service cannot be reached at the moment"
	default:
	}
	return f
}
