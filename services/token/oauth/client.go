package oauth

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/freshet-io/freshet/services/token"
)

// Config is what a Client is made of.
type Config struct {
	// HTTP makes the requests: the egress guard's client. Required. Its redirect policy is not used: a token request is
	// never redirected.
	HTTP *http.Client
	// Denied recognises errors of HTTP that say that an address may not be reached. Default: none does.
	Denied func(error) bool
	Tracer trace.TracerProvider // default: none
	Now    func() time.Time     // default: time.Now
}

// Client makes token requests. It implements token.Exchanger and is safe for concurrent use.
type Client struct {
	http   *http.Client
	denied func(error) bool
	tracer trace.Tracer
	now    func() time.Time
}

var _ token.Exchanger = (*Client)(nil)

// New returns a Client. Errors: Config.HTTP is missing.
func New(c Config) (*Client, error) {
	if c.HTTP == nil {
		return nil, errors.New("oauth: Config needs HTTP")
	}
	client := &Client{denied: c.Denied, now: c.Now}
	direct := *c.HTTP
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.http = &direct
	if client.denied == nil {
		client.denied = func(error) bool { return false }
	}
	if client.now == nil {
		client.now = time.Now
	}
	if c.Tracer == nil {
		c.Tracer = noop.NewTracerProvider()
	}
	client.tracer = c.Tracer.Tracer("github.com/freshet-io/freshet/services/token/oauth")
	return client, nil
}

// maxBody bounds the answers that are read. Real ones have a few kilobytes.
const maxBody = 1 << 20

// Exchange implements token.Exchanger.
func (c *Client) Exchange(ctx context.Context, settings token.OAuth2, _ token.Grant) (token.Answer, error) {
	start := c.now()
	request, err := newRequest(ctx, settings)
	if err != nil {
		return token.Answer{}, &token.Failure{
			Class: token.ClassConfiguration, Reason: token.ReasonConfiguration, Message: err.Error(), Time: start,
		}
	}
	ctx, span := c.tracer.Start(ctx, "POST", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("http.request.method", request.Method),
		attribute.String("server.address", request.URL.Hostname()),
		attribute.String("url.scheme", request.URL.Scheme),
		attribute.String("url.path", request.URL.Path),
	))
	defer span.End()
	var sent atomic.Bool
	request = request.WithContext(httptrace.WithClientTrace(ctx, sentTrace(&sent)))

	answer, err := c.do(request)
	if err != nil {
		failure := c.unanswered(err, sent.Load() || answer.HTTPStatus != 0, answer.HTTPStatus)
		span.SetAttributes(attribute.String("error.type", string(failure.Class)))
		span.SetStatus(codes.Error, failure.Message)
		return answer, failure
	}
	span.SetAttributes(attribute.Int("http.response.status_code", answer.HTTPStatus))
	if answer.HTTPStatus >= http.StatusBadRequest {
		span.SetStatus(codes.Error, "")
	}
	answer.StartTime, answer.EndTime = start, c.now()
	return answer, nil
}

// do makes the request and reads the whole answer.
func (c *Client) do(request *http.Request) (token.Answer, error) {
	response, err := c.http.Do(request)
	if err != nil {
		return token.Answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	answer := token.Answer{
		HTTPStatus:  response.StatusCode,
		ContentType: response.Header.Get("Content-Type"),
		RetryAfter:  response.Header.Get("Retry-After"),
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = errTooLarge
	}
	if err != nil {
		return answer, err
	}
	answer.Body = body
	return answer, nil
}

var errTooLarge = errors.New("the answer is larger than 1 MiB")

// sentTrace notes when any part of a request may have left. The headers count as sent once they are written to the
// connection's buffer: from then on nobody can say that they were not.
func sentTrace(sent *atomic.Bool) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		WroteHeaders:         func() { sent.Store(true) },
		WroteRequest:         func(info httptrace.WroteRequestInfo) { sent.Store(sent.Load() || info.Err == nil) },
		GotFirstResponseByte: func() { sent.Store(true) },
	}
}

// unanswered sorts an error of a request that got no complete answer.
func (c *Client) unanswered(err error, sent bool, status int) *token.Failure {
	failure := &token.Failure{
		Class: token.ClassNotSent, Reason: token.ReasonNotSent, Time: c.now(), Sent: sent, HTTPStatus: status,
		Message: "the request did not leave: " + explain(err),
	}
	switch {
	case c.denied(err) && !sent:
		failure.Class, failure.Reason = token.ClassConfiguration, token.ReasonEgressDenied
		failure.Message = "the token endpoint may not be reached: " + explain(err)
	case sent:
		failure.Class, failure.Reason = token.ClassAmbiguous, token.ReasonAmbiguous
		failure.Message = "the request was sent and its outcome is not known: " + explain(err)
	}
	return failure
}

// explain says what went wrong without the URL, whose query may have secrets.
func explain(err error) string {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		if wrapped.Timeout() {
			return "no answer in time" + phase(wrapped.Err)
		}
		err = wrapped.Err
	}
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, context.Canceled):
		return "it was cancelled"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	case errors.As(err, &dns):
		return "the host name " + dns.Name + " was not resolved: " + dns.Err
	case errors.As(err, &certificate):
		return "the server's certificate was not accepted: " + certificate.Err.Error()
	}
	return clean(err.Error(), nil)
}

// phase tells which step a time-out hit, where the error says.
func phase(err error) string {
	var operation *net.OpError
	if errors.As(err, &operation) && operation.Op == "dial" {
		return " (connecting)"
	}
	if err != nil && strings.Contains(err.Error(), "TLS handshake") {
		return " (TLS handshake)"
	}
	return ""
}
