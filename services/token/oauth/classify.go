package oauth

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/freshet-io/freshet/services/token"
)

// refused sorts an answer that has no usable token.
func refused(answer token.Answer, settings token.OAuth2, f fields, s shape) *token.Failure {
	failure := &token.Failure{
		Time: answer.EndTime, HTTPStatus: answer.HTTPStatus, Sent: true, RetryAfter: retryAfter(answer.RetryAfter, answer.EndTime),
	}
	failure.Class = class(answer, f, s)
	failure.Reason = token.Reason(failure.Class) // the reasons of these classes have their names
	failure.Message = message(answer, f, s, secretsOf(settings))
	return failure
}

// class follows the status where that says that the server, not the request, is the trouble, then the error code of RFC 6749
// section 5.2, then what the status and the document say in general.
func class(answer token.Answer, f fields, s shape) token.Class {
	status := answer.HTTPStatus
	switch {
	case status == http.StatusTooManyRequests:
		return token.ClassThrottled
	case status >= 500 && answer.RetryAfter != "":
		return token.ClassThrottled
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		return token.ClassAmbiguous
	}
	if f.isError() {
		if class, known := codeClass(f.text("error")); known {
			return class
		}
	}
	switch {
	case status == http.StatusUnauthorized:
		return token.ClassClientBroken
	case status >= 300, s == shapeHTML:
		return token.ClassConfiguration
	default: // a success that cannot be read: the server may have issued a token
		return token.ClassAmbiguous
	}
}

// codeClass sorts the error codes of RFC 6749 section 5.2 and RFC 8707 section 2, and those of large providers that mean the same.
func codeClass(code string) (token.Class, bool) {
	switch strings.ToLower(code) {
	case "invalid_grant", "invalid_refresh_token", "bad_refresh_token", "token_revoked", "refresh_token_expired":
		return token.ClassGrantDead, true
	case "invalid_client", "unauthorized_client", "invalid_client_id", "bad_client_secret", "incorrect_client_credentials":
		return token.ClassClientBroken, true
	case "invalid_scope", "invalid_request", "unsupported_grant_type", "invalid_target", "unsupported_response_type", "access_denied":
		return token.ClassConfiguration, true
	case "temporarily_unavailable", "server_error", "internal_error":
		return token.ClassAmbiguous, true
	case "slow_down", "rate_limited", "ratelimited", "rate_limit_exceeded", "too_many_requests", "quota_exceeded":
		return token.ClassThrottled, true
	}
	return "", false
}

// retryAfter reads the header of RFC 9110 section 10.2.3: seconds, or a date. 0 if there is none, or it has passed.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil || !at.After(now) {
		return 0
	}
	return at.Sub(now)
}

// Bounds of what is repeated from an answer.
const (
	maxCode        = 64
	maxDescription = 300
)

// message says for people what the server answered.
func message(answer token.Answer, f fields, s shape, secrets []string) string {
	status := fmt.Sprintf("the authorization server answered %d %s", answer.HTTPStatus, statusText(answer.HTTPStatus))
	if f.isError() {
		status += ": " + shorten(clean(f.text("error"), secrets), maxCode)
		if description := f.text("error_description"); description != "" {
			status += " (" + shorten(clean(description, secrets), maxDescription) + ")"
		}
		return status
	}
	switch {
	case answer.HTTPStatus >= 300 && answer.HTTPStatus <= 399:
		return status + ", a redirect; token requests are not redirected"
	case s == shapeHTML:
		return status + " with a web page; is this the token endpoint?"
	case answer.HTTPStatus > 299:
		return status
	case s == shapeEmpty:
		return status + " with an empty body"
	case s == shapeOther:
		return status + " with a body that is neither JSON nor a form"
	default:
		return status + " without a usable access_token"
	}
}

// clean takes secrets and control characters out of a text that somebody else wrote.
func clean(text string, secrets []string) string {
	for _, secret := range secrets {
		if len(secret) >= 4 { // a shorter one would riddle the text, and is none
			text = strings.ReplaceAll(text, secret, "[redacted]")
		}
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
}

// shorten cuts a text to so many bytes, at a character.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
