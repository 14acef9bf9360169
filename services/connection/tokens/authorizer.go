package tokens

import (
	"context"
	"fmt"

	"google.golang.org/grpc"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/connect"
	"github.com/freshet-io/freshet/services/connection/wire"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// Authorizer implements connect.Authorizer.
type Authorizer struct {
	authorizations tokenv1.AuthorizationInternalServiceClient
}

var _ connect.Authorizer = (*Authorizer)(nil)

// NewAuthorizer returns an Authorizer over a connection to the token service.
func NewAuthorizer(conn grpc.ClientConnInterface) *Authorizer {
	return &Authorizer{authorizations: tokenv1.NewAuthorizationInternalServiceClient(conn)}
}

// Push implements connect.Authorizer.
func (a *Authorizer) Push(ctx context.Context, of connection.Connection, parameters map[string]string) (seal.Secret, error) {
	answer, err := a.authorizations.PushAuthorizationRequest(ctx, &tokenv1.PushAuthorizationRequestRequest{
		Settings: wire.FromSettings(of), Parameters: parameters,
	})
	if err != nil {
		return seal.Secret{}, fmt.Errorf("tokens: push an authorization request of %s: %w", of.Name, err)
	}
	return seal.NewSecret(answer.GetRequestUri()), nil
}

// AnswerValues implements connect.Authorizer.
func (a *Authorizer) AnswerValues(ctx context.Context, name connection.GrantName) (map[string]string, error) {
	answer, err := a.authorizations.GetAnswerValues(ctx, &tokenv1.GetAnswerValuesRequest{Name: name.Token()})
	if err != nil {
		return nil, fmt.Errorf("tokens: what the answer told of %s: %w", name, err)
	}
	return answer.GetValues(), nil
}
