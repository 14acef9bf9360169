package tokens

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/wire"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// errEnded means that the token service ended a stream that has no end.
var errEnded = errors.New("tokens: the token service ended the stream")

// Client implements connection.TokenControl and connection.TokenRecords.
type Client struct {
	tokens  tokenv1.TokenInternalServiceClient
	records tokenv1.TokenRecordServiceClient
}

// New returns a client over a connection to the token service.
func New(conn grpc.ClientConnInterface) *Client {
	return &Client{tokens: tokenv1.NewTokenInternalServiceClient(conn), records: tokenv1.NewTokenRecordServiceClient(conn)}
}

// Authorize implements connection.TokenControl.
func (c *Client) Authorize(ctx context.Context, ref connection.TokenRef) (connection.TokenStatus, error) {
	answer, err := c.tokens.AuthorizeToken(ctx, &tokenv1.AuthorizeTokenRequest{
		Name: ref.Token, ConnectionUid: ref.UID, Revision: ref.Revision,
	})
	known, _ := toStatus(answer.GetStatus()) // what it does not know yet, it will report
	return known, wrap("authorize", ref, err)
}

// Deauthorize implements connection.TokenControl. A token that the token service does not know needs no deauthorization.
func (c *Client) Deauthorize(ctx context.Context, ref connection.TokenRef) error {
	_, err := c.tokens.DeauthorizeToken(ctx, &tokenv1.DeauthorizeTokenRequest{
		Name: ref.Token, ConnectionUid: ref.UID, Revision: ref.Revision, Revoke: ref.Revoke,
	})
	return wrap("deauthorize", ref, ignoreNotFound(err))
}

// Delete implements connection.TokenControl.
func (c *Client) Delete(ctx context.Context, ref connection.TokenRef) error {
	_, err := c.tokens.DeleteToken(ctx, &tokenv1.DeleteTokenRequest{Name: ref.Token, ConnectionUid: ref.UID, Revoke: ref.Revoke})
	return wrap("delete", ref, ignoreNotFound(err))
}

// WatchStates implements connection.TokenControl.
func (c *Client) WatchStates(ctx context.Context, grantsSince time.Time, fn func(connection.TokenReport) error) error {
	ctx, cancel := context.WithCancel(ctx) // ends the stream when fn fails
	defer cancel()
	stream, err := c.tokens.WatchTokenStates(ctx, &tokenv1.WatchTokenStatesRequest{GrantsSince: timestamppb.New(grantsSince)})
	if err != nil {
		return watchError(err)
	}
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return errEnded
		}
		if err != nil {
			return watchError(err)
		}
		report, ok := toReport(message)
		if !ok {
			continue
		}
		if err := fn(report); err != nil {
			return err
		}
	}
}

func watchError(err error) error {
	if status.Code(err) == codes.Unavailable {
		err = fmt.Errorf("%w: %w", connection.ErrTokensUnavailable, err)
	}
	return fmt.Errorf("tokens: watch: %w", err)
}

// TryAuthorization makes one token request with the connection's settings, secrets included. An error means that the token service could
// not try.
func (c *Client) TryAuthorization(ctx context.Context, of connection.Connection) (connection.Trial, error) {
	r, err := c.tokens.TryAuthorization(ctx, &tokenv1.TryAuthorizationRequest{Settings: wire.FromSettings(of)})
	if err != nil {
		return connection.Trial{}, fmt.Errorf("tokens: try authorization of %s: %w", of.Name, err)
	}
	return connection.Trial{
		Sent:       r.GetSent(),
		HTTPStatus: int(r.GetHttpStatus()),
		Failed:     r.GetFailureClass() != tokenv1.FailureClass_FAILURE_CLASS_UNSPECIFIED,
		Reason:     wire.ToReason(r.GetReason()),
		Message:    r.GetMessage(),
		TokenType:  r.GetTokenType(),
		Lifetime:   r.GetLifetime().AsDuration(),
		Scopes:     r.GetScopes(),
		Duration:   r.GetDuration().AsDuration(),
	}, nil
}

// toReport returns false for messages that report nothing.
func toReport(m *tokenv1.WatchTokenStatesResponse) (connection.TokenReport, bool) {
	switch event := m.GetEvent().(type) {
	case *tokenv1.WatchTokenStatesResponse_Synced:
		return connection.TokenReport{Synced: true}, true
	case *tokenv1.WatchTokenStatesResponse_Status:
		status, ok := toStatus(event.Status)
		return connection.TokenReport{Status: status}, ok
	default:
		return connection.TokenReport{}, false
	}
}

func toStatus(m *tokenv1.TokenStatus) (connection.TokenStatus, bool) {
	name, ok := connection.ParseTokenName(m.GetName())
	grant := ""
	if of, isGrant := connection.ParseGrantTokenName(m.GetName()); isGrant {
		name, grant, ok = of.Connection, of.ID, true
	}
	state, known := toState(m.GetState())
	if !ok || !known && !m.GetDeleted() {
		return connection.TokenStatus{}, false
	}
	s := connection.TokenStatus{
		Name:       name,
		Grant:      grant,
		UID:        m.GetConnectionUid(),
		Revision:   m.GetRevision(),
		Generation: m.GetGeneration(),
		State:      state,
		Reason:     wire.ToReason(m.GetStateReason()),
		Message:    m.GetStateMessage(),
		Deleted:    m.GetDeleted(),
		Wanted: connection.Wanted{
			Revision: m.GetWantedRevision(), Reason: wire.ToReason(m.GetWantedReason()), Message: m.GetWantedMessage(),
		},
	}
	if t := m.GetStateTime(); t != nil {
		s.StateTime = t.AsTime()
	}
	if t := m.GetGrantExpireTime(); t != nil {
		s.GrantExpireTime = t.AsTime()
	}
	return s, true
}

// toState returns false for a state newer than this build.
func toState(s tokenv1.Token_State) (connection.State, bool) {
	switch s {
	case tokenv1.Token_AUTHORIZING:
		return connection.StateAuthorizing, true
	case tokenv1.Token_AUTHORIZED:
		return connection.StateAuthorized, true
	case tokenv1.Token_DEAUTHORIZED:
		return connection.StateDeauthorized, true
	case tokenv1.Token_FAILED_CONNECTIVITY:
		return connection.StateFailedConnectivity, true
	default:
		return "", false
	}
}

func ignoreNotFound(err error) error {
	if rpcerr.ReasonOf(err) == errorsv1.Reason_TOKEN_NOT_FOUND {
		return nil
	}
	return err
}

func wrap(what string, ref connection.TokenRef, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("tokens: %s %s revision %d: %w", what, ref.Token, ref.Revision, err)
}
