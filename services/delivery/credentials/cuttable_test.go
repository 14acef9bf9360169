package credentials_test

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// cuttable is a connection whose streams can be cut.
type cuttable struct {
	*grpc.ClientConn

	mu     sync.Mutex
	broken bool
	ends   []context.CancelFunc
}

func (c *cuttable) NewStream(
	ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken {
		return nil, status.Error(codes.Unavailable, "cut")
	}
	ctx, end := context.WithCancel(ctx)
	c.ends = append(c.ends, end)
	return c.ClientConn.NewStream(ctx, desc, method, opts...)
}

func (c *cuttable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = true
	for _, end := range c.ends {
		end()
	}
}

func (c *cuttable) mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = false
}
