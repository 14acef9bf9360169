package proxy

import (
	"context"
	"crypto/sha256"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/metadata"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

const (
	// apiFresh is how long it is taken for granted what a connection's API is, and that the caller may use the connection.
	apiFresh = 10 * time.Second
	// maxAPIs bounds what is remembered. Forgetting costs a question.
	maxAPIs = 10_000
)

// apis knows the APIs of connections, as the connection service tells each caller: who may not read a connection is not told, and so cannot
// call with it.
type apis struct {
	client connectionv1.ApiServiceClient

	mu    sync.Mutex
	known map[[sha256.Size]byte]knownAPI // by caller, and connection or grant
}

type knownAPI struct {
	api   *connectionv1.Api
	until time.Time
}

// ofCall returns the API of a connection, or of a grant where only an end user's authorization told where that is. owner is whose token is used:
// the connection, or the grant under it.
func (a *apis) ofCall(ctx context.Context, md metadata.MD, connection, owner string) (*connectionv1.Api, error) {
	api, err := a.of(ctx, md, connection)
	if owner == connection || rpcerr.ReasonOf(err) != errorsv1.Reason_API_NOT_CONFIGURED {
		return api, err
	}
	return a.of(ctx, md, owner)
}

// of returns the API of a connection or grant for a caller, who is known by the credential in md.
func (a *apis) of(ctx context.Context, md metadata.MD, name string) (*connectionv1.Api, error) {
	key := sha256.Sum256([]byte(name + "\x00" + strings.Join(md.Get("authorization"), "\x00") + "\x00\x00" + strings.Join(md.Get("x-api-key"), "\x00")))
	now := time.Now()
	a.mu.Lock()
	entry, ok := a.known[key]
	a.mu.Unlock()
	if ok && now.Before(entry.until) {
		return entry.api, nil
	}
	answer, err := a.client.GetApi(metadata.NewOutgoingContext(ctx, md), &connectionv1.GetApiRequest{Name: name + "/api"})
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known == nil || len(a.known) >= maxAPIs {
		a.known = map[[sha256.Size]byte]knownAPI{}
	}
	a.known[key] = knownAPI{api: answer.GetApi(), until: now.Add(apiFresh)}
	return answer.GetApi(), nil
}
