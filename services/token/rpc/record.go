package rpc

import (
	"context"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/token"
)

// records implements TokenRecordService.
type records struct {
	tokenv1.UnimplementedTokenRecordServiceServer
	*edge
}

// GetTokenRecord implements TokenRecordService.
func (r *records) GetTokenRecord(ctx context.Context, in *tokenv1.GetTokenRecordRequest) (*tokenv1.GetTokenRecordResponse, error) {
	key, err := token.ParseName(in.GetName())
	if err != nil {
		return nil, r.fail(ctx, key, err)
	}
	t, journal, err := r.svc.Record(ctx, key)
	if err != nil {
		return nil, r.fail(ctx, key, err)
	}
	shown := t.Revealed(r.svc.Now())
	out := &tokenv1.GetTokenRecordResponse{
		Status: statusProto(&shown), TokenType: t.TokenType, Scopes: t.Scopes, IssueTime: timestamp(t.IssueTime), ExpireTime: timestamp(t.ExpireTime),
	}
	for i := range journal {
		out.Rotations = append(out.Rotations, rotationProto(&journal[i]))
	}
	return out, nil
}
