package httpsend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"time"

	"github.com/freshet-io/freshet/sdk/dpop"
	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/egress"
)

const (
	// maxBody is how much of an answer is read. Reading it to its end keeps the connection for the next request.
	maxBody = 64 << 10
	// maxExcerpt is how much of a failure's answer is kept, in bytes.
	maxExcerpt = 1024
	// maxMessage bounds the text of a failure, in bytes.
	maxMessage = 1024
)

// Client implements delivery.Sender.
type Client struct {
	transport http.RoundTripper
	now       func() time.Time
	nonces    dpop.Nonces
}

var _ delivery.Sender = (*Client)(nil)

// New returns a Sender that makes requests over a transport; each has a deadline of its own, and a 3xx is an answer: credentials are not sent
// on. now is the clock that a Retry-After date is compared with; nil: time.Now.
func New(transport http.RoundTripper, now func() time.Time) *Client {
	if now == nil {
		now = time.Now
	}
	return &Client{transport: transport, now: now}
}

// Send implements delivery.Sender. The status decides as soon as it is there: an answer that breaks off after a 2xx is a success.
func (c *Client) Send(ctx context.Context, r delivery.Request) delivery.Response {
	if r.Prove != nil {
		return c.sendProved(ctx, r)
	}
	if r.Sign != nil {
		return c.sendSigned(ctx, r)
	}
	result, _ := c.send(ctx, r)
	return result
}

// send makes one request. The header is that of the answer; nil without one.
func (c *Client) send(ctx context.Context, r delivery.Request) (delivery.Response, http.Header) {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	observed := &observer{begin: time.Now()}
	ctx = httptrace.WithClientTrace(ctx, observed.hooks(r.Detail))
	var body io.Reader
	if r.Body != nil {
		body = bytes.NewReader(r.Body)
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, r.URL, body)
	if err != nil {
		return delivery.Response{Failure: delivery.InvalidRequest, Message: "the URL or method is not valid"}, nil
	}
	request.Header = r.Header
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		err = fmt.Errorf("%s %s://%s: %w", r.Method, request.URL.Scheme, request.URL.Host, err)
		redact := redactor(r.Secrets)
		result := failed(ctx, err, observed.connected(), redact)
		result.Exchange = observed.exchange(&r, nil, true, redact)
		return result, nil
	}
	defer func() { _ = response.Body.Close() }()
	return c.answered(&r, response, observed), response.Header
}

func (c *Client) answered(r *delivery.Request, response *http.Response, observed *observer) delivery.Response {
	result := delivery.Response{Status: response.StatusCode}
	succeeded := result.Status >= 200 && result.Status <= 299
	redact := func(s string) string { return s }
	if !succeeded || r.Detail == delivery.DetailAll {
		redact = redactor(r.Secrets)
	}
	result.Exchange = observed.exchange(r, response, !succeeded, redact)
	if succeeded {
		_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxBody))
		return result
	}
	result.RetryAfter = retryAfter(response.Header.Get("Retry-After"), c.now())
	text, _ := io.ReadAll(io.LimitReader(response.Body, maxBody)) // what came is shown, also if the rest did not
	result.Excerpt = excerpt(redact(string(text)), maxExcerpt)
	return result
}

// failed tells transport failures apart.
func failed(ctx context.Context, err error, connected bool, redact func(string) string) delivery.Response {
	result := delivery.Response{Message: excerpt(redact(err.Error()), maxMessage)}
	var network net.Error
	switch {
	case egress.IsDenied(err):
		result.Failure = delivery.Denied
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		result.Failure = delivery.TimedOut
		if connected {
			result.Message = "the destination did not answer in time"
		} else {
			result.Message = "no connection was made in time"
		}
	case !connected:
		result.Failure = delivery.ConnectFailed
	default:
		result.Failure = delivery.ConnectionBroken
	}
	return result
}
