package proxy

import (
	"context"
	"crypto/sha256"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/metadata"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
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
	known map[[sha256.Size]byte]knownAPI // by caller and connection
}

type knownAPI struct {
	api   *connectionv1.Api
	until time.Time
}

// of returns the API of a connection for a caller, who is known by the credential in md.
func (a *apis) of(ctx context.Context, md metadata.MD, connection string) (*connectionv1.Api, error) {
	key := sha256.Sum256([]byte(connection + "\x00" + strings.Join(md.Get("authorization"), "\x00") + "\x00\x00" + strings.Join(md.Get("x-api-key"), "\x00")))
	now := time.Now()
	a.mu.Lock()
	entry, ok := a.known[key]
	a.mu.Unlock()
	if ok && now.Before(entry.until) {
		return entry.api, nil
	}
	answer, err := a.client.GetApi(metadata.NewOutgoingContext(ctx, md), &connectionv1.GetApiRequest{Name: connection + "/api"})
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
