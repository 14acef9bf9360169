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

	"github.com/freshet-io/freshet/sdk/dpop"
	"github.com/freshet-io/freshet/services/token"
)

// maxBody bounds the answers that are read. Real ones have a few kilobytes.
const maxBody = 1 << 20

// request makes one request and returns the whole answer. Errors are [*token.Failure] and have none of the secrets.
func (c *Client) request(
	ctx context.Context, s *token.OAuth2, secrets []string, build func(context.Context, time.Time) (*http.Request, error),
) (token.Answer, error) {
	start := c.now()
	client, err := c.clientFor(s)
	if err != nil {
		return token.Answer{}, unmade(err, secrets, start)
	}
	request, err := build(ctx, start)
	if err != nil {
		return token.Answer{}, unmade(err, secrets, start)
	}
	ctx, span := c.tracer.Start(ctx, request.Method, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("http.request.method", request.Method),
		attribute.String("server.address", request.URL.Hostname()),
		attribute.String("url.scheme", request.URL.Scheme),
		attribute.String("url.path", request.URL.Path),
	))
	defer span.End()
	var sent atomic.Bool
	request = request.WithContext(httptrace.WithClientTrace(ctx, sentTrace(&sent)))

	answer, header, err := do(client, request)
	if header != nil && request.Header.Get(dpop.HeaderProof) != "" {
		nonce := c.nonces.Learn(request.URL, header, c.now())
		answer.Challenged = err == nil && nonce != "" && challenges(answer, header, s.Dialect)
	}
	if err != nil {
		failure := c.unanswered(err, sent.Load() || answer.HTTPStatus != 0, answer.HTTPStatus, secrets)
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

// do makes the request and reads the whole answer. The header is nil if there is none.
func do(client *http.Client, request *http.Request) (token.Answer, http.Header, error) {
	response, err := client.Do(request)
	if err != nil {
		return token.Answer{}, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer := token.Answer{
		HTTPStatus:  response.StatusCode,
		ContentType: response.Header.Get("Content-Type"),
		RetryAfter:  response.Header.Get("Retry-After"),
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		if response.StatusCode < 300 {
			return answer, response.Header, errTooLarge
		}
		body = body[:maxBody] // a refusal is one by its status
	}
	if err != nil {
		return answer, response.Header, err
	}
	answer.Body = body
	return answer, response.Header, nil
}

var errTooLarge = errors.New("the answer is larger than 1 MiB")

// sentTrace notes when any part of a request may have left. The headers count as sent once they are written to the
// connection's buffer, and a request whose writing failed as sent in part: from then on nobody can say that it was not.
func sentTrace(sent *atomic.Bool) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		WroteHeaders:         func() { sent.Store(true) },
		WroteRequest:         func(httptrace.WroteRequestInfo) { sent.Store(true) },
		GotFirstResponseByte: func() { sent.Store(true) },
	}
}

// unmade sorts an error of a request that was not even made.
func unmade(err error, secrets []string, now time.Time) *token.Failure {
	failure := &token.Failure{
		Class: token.ClassConfiguration, Reason: token.ReasonConfiguration, Message: clean(err.Error(), secrets), Time: now,
	}
	if errors.Is(err, errClient) {
		failure.Class, failure.Reason = token.ClassClientBroken, token.ReasonClientBroken
	}
	return failure
}

// unanswered sorts an error of a request that got no complete answer.
func (c *Client) unanswered(err error, sent bool, status int, secrets []string) *token.Failure {
	why := clean(explain(err), secrets)
	failure := &token.Failure{
		Class: token.ClassNotSent, Reason: token.ReasonNotSent, Time: c.now(), Sent: sent, HTTPStatus: status,
		Message: "the request did not leave: " + why,
	}
	switch {
	case c.denied(err) && !sent:
		failure.Class, failure.Reason = token.ClassConfiguration, token.ReasonEgressDenied
		failure.Message = "the token endpoint may not be reached: " + why
	case refusesCertificate(err):
		// With TLS 1.3 the alert comes after the request was written, which the server has not read all the same.
		failure.Class, failure.Reason = token.ClassClientBroken, token.ReasonClientBroken
		failure.Message = "the server refused the client's certificate: " + why
	case sent:
		failure.Class, failure.Reason = token.ClassAmbiguous, token.ReasonAmbiguous
		failure.Message = "the request was sent and its outcome is not known: " + why
	}
	return failure
}

// refusesCertificate recognises the alerts of RFC 8446 section 6.2 by which a server refuses a client's certificate, or misses one.
// crypto/tls has no type for them.
func refusesCertificate(err error) bool {
	operation, ok := errors.AsType[*net.OpError](err)
	if !ok || operation.Op != "remote error" || operation.Err == nil {
		return false
	}
	switch strings.TrimPrefix(operation.Err.Error(), "tls: ") {
	case "bad certificate", "unsupported certificate", "revoked certificate", "expired certificate", "unknown certificate",
		"unknown certificate authority", "certificate required":
		return true
	}
	return false
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
	return err.Error()
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
