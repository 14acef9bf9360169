package connections

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/delivery"
)

// Client implements delivery.Connections.
type Client struct {
	client connectionv1.ConnectionServiceClient
}

var _ delivery.Connections = (*Client)(nil)

// New returns a client on a connection to the connection service.
func New(conn grpc.ClientConnInterface) *Client {
	return &Client{client: connectionv1.NewConnectionServiceClient(conn)}
}

// Check implements delivery.Connections.
func (c *Client) Check(ctx context.Context, connection string) error {
	_, err := c.client.GetConnection(ctx, &connectionv1.GetConnectionRequest{Name: connection})
	if status.Code(err) == codes.NotFound {
		return fmt.Errorf("%s: %w", connection, delivery.ErrConnectionNotFound)
	}
	return err
}
