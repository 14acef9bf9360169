package settings

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
	"github.com/freshet-io/freshet/services/token"
)

const (
	// maxNames is how many questions are asked in a call; the contract allows no more.
	maxNames = 100
	// maxCalls is how many calls are made at once. With more of them fewer questions would share one.
	maxCalls = 2
	// timeout bounds a call.
	timeout = 10 * time.Second
)

// question is one for the settings of a connection or grant.
type question struct {
	name   string
	parent trace.SpanContext // of whoever asks

	answered chan struct{}
	settings token.Settings // valid once answered
	err      error
}

// enqueue adds a question to those that wait, and reports whether a call may begin.
func (c *Client) enqueue(q *question) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(c.waiting, q)
	if c.asking == maxCalls {
		return false
	}
	c.asking++
	return true
}

// take returns the questions of the next call. If there are none, the caller makes no more.
func (c *Client) take() []*question {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(len(c.waiting), maxNames)
	if n == 0 {
		c.asking--
		return nil
	}
	next := slices.Clone(c.waiting[:n])
	c.waiting = slices.Delete(c.waiting, 0, n)
	return next
}

// ask makes calls until no question waits.
func (c *Client) ask() {
	for {
		questions := c.take()
		if len(questions) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(trace.ContextWithSpanContext(context.Background(), questions[0].parent), timeout)
		if len(questions) == 1 {
			c.askOne(ctx, questions[0])
		} else {
			c.askAll(ctx, questions)
		}
		cancel()
		for _, q := range questions {
			close(q.answered)
		}
	}
}

func (c *Client) askOne(ctx context.Context, q *question) {
	response, err := c.connections.GetAuthorizationSettings(ctx, &connectionv1.GetAuthorizationSettingsRequest{Name: q.name})
	if err != nil {
		q.err = failure(rpcerr.ReasonOf(err), status.Code(err))
		return
	}
	q.settings, q.err = FromProto(response.GetSettings())
}

func (c *Client) askAll(ctx context.Context, questions []*question) {
	request := &connectionv1.BatchGetAuthorizationSettingsRequest{}
	for _, q := range questions {
		request.Names = append(request.Names, q.name)
	}
	response, err := c.connections.BatchGetAuthorizationSettings(ctx, request)
	if err == nil && len(response.GetResults()) != len(questions) {
		err = status.Error(codes.Internal, "an answer to other questions")
	}
	for i, q := range questions {
		if err != nil {
			q.err = failure(rpcerr.ReasonOf(err), status.Code(err))
			continue
		}
		result := response.GetResults()[i]
		if refused := result.GetError(); refused != nil {
			q.err = failure(refused.GetReason(), codes.Code(refused.GetCode()))
			continue
		}
		q.settings, q.err = FromProto(result.GetSettings())
	}
}
