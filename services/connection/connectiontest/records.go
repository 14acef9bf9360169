package connectiontest

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// GetTokenRecord implements TokenRecordService: the token as it was reported, and a rotation for its generation.
func (s *TokenService) GetTokenRecord(_ context.Context, in *tokenv1.GetTokenRecordRequest) (*tokenv1.GetTokenRecordResponse, error) {
	s.mu.Lock()
	down := s.down
	s.mu.Unlock()
	held := s.Status(in.GetName())
	switch {
	case down:
		return nil, status.Error(codes.Unavailable, "down")
	case held == nil:
		return nil, rpcerr.New(codes.NotFound, errorsv1.Reason_TOKEN_NOT_FOUND, "there is no token %s", in.GetName())
	}
	return &tokenv1.GetTokenRecordResponse{
		Status: held, TokenType: "Bearer", Scopes: []string{"read"}, IssueTime: held.GetStateTime(),
		Rotations: []*tokenv1.Rotation{{
			Generation: held.GetGeneration(), State: tokenv1.Rotation_COMMITTED, Trigger: tokenv1.Rotation_AUTHORIZE,
			StartTime: timestamppb.New(held.GetStateTime().AsTime()), EndTime: held.GetStateTime(), HttpStatus: 200,
		}},
	}, nil
}
