package connection

import (
	"context"
	"errors"
	"time"
)

// ErrNoToken is returned by TokenRecords where nothing is held.
var ErrNoToken = errors.New("connection: no token")

// TokenRecords says what the token service holds of a token, without secrets.
type TokenRecords interface {
	// Record returns ErrNoToken if there is no such token. token is a resource name.
	Record(ctx context.Context, token string) (TokenRecord, error)
}

// TokenRecord is what the token service holds of a token, without secrets.
type TokenRecord struct {
	Status                TokenStatus
	TokenType             string
	Scopes                []string
	IssueTime, ExpireTime time.Time  // zero: none
	Rotations             []Rotation // newest first
}

// Rotation is one attempt to get a token. States and triggers have the names of the token service's API.
type Rotation struct {
	Generation     int64
	State, Trigger string
	StartTime      time.Time
	EndTime        time.Time // zero: it has not ended
	HTTPStatus     int       // 0: no answer
	Failure        string    // for people
}

// ExportedGrant is what is held about one grant.
type ExportedGrant struct {
	Grant Grant
	// Token is nil where there is none.
	Token *TokenRecord
}

// ExportEndUser returns what is held about an end user: up to limit grants after the cursor, ordered by connection and id, without secrets.
func (s *Service) ExportEndUser(ctx context.Context, project, endUser string, after GrantCursor, limit int) ([]ExportedGrant, error) {
	grants, err := s.grants.ListGrants(ctx, project, GrantQuery{EndUser: endUser, After: after, Limit: limit})
	if err != nil {
		return nil, err
	}
	list := make([]ExportedGrant, len(grants))
	for i, g := range grants {
		list[i].Grant = g
		record, err := s.records.Record(ctx, g.Name.Token())
		if errors.Is(err, ErrNoToken) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if record.Status.UID == g.UID {
			list[i].Token = &record
		}
	}
	return list, nil
}
