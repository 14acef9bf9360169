package tokens

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// Record implements connection.TokenRecords.
func (c *Client) Record(ctx context.Context, token string) (connection.TokenRecord, error) {
	answer, err := c.records.GetTokenRecord(ctx, &tokenv1.GetTokenRecordRequest{Name: token})
	if rpcerr.ReasonOf(err) == errorsv1.Reason_TOKEN_NOT_FOUND {
		return connection.TokenRecord{}, fmt.Errorf("%w: %s", connection.ErrNoToken, token)
	}
	if err != nil {
		return connection.TokenRecord{}, fmt.Errorf("tokens: record of %s: %w", token, err)
	}
	status, _ := toStatus(answer.GetStatus()) // without a state that is newer than this build
	record := connection.TokenRecord{
		Status: status, TokenType: answer.GetTokenType(), Scopes: answer.GetScopes(),
		IssueTime: optionalTime(answer.GetIssueTime()), ExpireTime: optionalTime(answer.GetExpireTime()),
	}
	for _, r := range answer.GetRotations() {
		record.Rotations = append(record.Rotations, connection.Rotation{
			Generation: r.GetGeneration(), State: r.GetState().String(), Trigger: r.GetTrigger().String(),
			StartTime: optionalTime(r.GetStartTime()), EndTime: optionalTime(r.GetEndTime()),
			HTTPStatus: int(r.GetHttpStatus()), Failure: r.GetFailureMessage(),
		})
	}
	return record, nil
}

// optionalTime is zero for no time.
func optionalTime(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}
