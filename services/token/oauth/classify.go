package oauth

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-io/freshet/sdk/dpop"
	"github.com/freshet-io/freshet/services/token"
)

// refused sorts an answer that has no usable token.
func refused(answer token.Answer, settings *token.OAuth2, grant token.Grant, d *document) *token.Failure {
	failure := &token.Failure{
		Time: answer.EndTime, HTTPStatus: answer.HTTPStatus, Sent: true, RetryAfter: retryAfter(answer.RetryAfter, answer.EndTime),
	}
	failure.Class = class(answer, d, !refreshToken(settings, grant).IsZero())
	failure.Reason = token.Reason(failure.Class) // the reasons of these classes have their names
	failure.Message = message(answer, d, secretsOf(settings, grant.RefreshToken))
	return failure
}

// class follows what the dialect says about the error code, the status where that says that the server, not the request, is
// the trouble, then the error code of RFC 6749 section 5.2, then what the status and the document say in general.
func class(answer token.Answer, d *document, refreshing bool) token.Class {
	if answer.Challenged {
		return token.ClassChallenged
	}
	status := answer.HTTPStatus
	code, mapped := d.standardCode()
	if mapped {
		if class, known := codeClass(code); known {
			return class
		}
	}
	switch {
	case status == http.StatusTooManyRequests:
		return token.ClassThrottled
	case status >= 500 && answer.RetryAfter != "":
		return token.ClassThrottled
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		return token.ClassAmbiguous
	case refreshing && strings.EqualFold(code, "unauthorized_client") && deniesRefreshToken(d.errorDescription()):
		return token.ClassGrantDead // Atlassian, with status 403
	}
	if class, known := codeClass(code); known {
		return class
	}
	switch {
	case status == http.StatusUnauthorized:
		return token.ClassClientBroken
	case status >= 300, d.shape == shapeHTML, code != "":
		return token.ClassConfiguration
	default: // a success that cannot be read: the server may have issued a token
		return token.ClassAmbiguous
	}
}

// standardCode returns the error code that the answer's own stands for in the dialect, and whether the dialect says so.
func (d *document) standardCode() (code string, mapped bool) {
	code = d.errorCode()
	if code == "" {
		return "", false
	}
	if standard, ok := d.dialect.ErrorCodes[code]; ok {
		return standard, true
	}
	return code, false
}

// codeClass sorts the error codes of RFC 6749 section 5.2, RFC 8707 section 2 and RFC 9449 sections 5 and 8, and those of large providers that mean the same.
func codeClass(code string) (token.Class, bool) {
	switch strings.ToLower(code) {
	case "invalid_grant", "invalid_refresh_token", "bad_refresh_token", "refresh_token_expired", "token_revoked", "token_expired",
		"expired_token", "bad_verification_code", "interaction_required", "consent_required", "login_required":
		return token.ClassGrantDead, true
	case "invalid_client", "unauthorized_client", "invalid_client_id", "invalid_client_secret", "bad_client_secret",
		"incorrect_client_credentials", "application_suspended":
		return token.ClassClientBroken, true
	case "invalid_scope", "invalid_request", "invalid_dpop_proof", "unsupported_grant_type", "invalid_target", "unsupported_response_type", "access_denied",
		"redirect_uri_mismatch", "unsupported_token_type":
		return token.ClassConfiguration, true
	case "temporarily_unavailable", "server_error", "internal_error", "fatal_error":
		return token.ClassAmbiguous, true
	case dpop.ErrorUseNonce:
		return token.ClassChallenged, true
	case "slow_down", "rate_limited", "ratelimited", "rate_limit_exceeded", "too_many_requests", "quota_exceeded":
		return token.ClassThrottled, true
	}
	return "", false
}

// refusesClient reports whether an answer says that the client did not authenticate.
func refusesClient(answer token.Answer, dialect token.Dialect) bool {
	if answer.HTTPStatus >= 500 || answer.HTTPStatus == http.StatusTooManyRequests || answer.Challenged {
		return false
	}
	d := parse(answer, dialect)
	code, _ := d.standardCode()
	switch strings.ToLower(code) {
	case "invalid_client", "invalid_client_secret", "bad_client_secret", "incorrect_client_credentials":
		return answer.HTTPStatus > 299 || !usable(d.accessToken())
	}
	_, known := codeClass(code)
	return answer.HTTPStatus == http.StatusUnauthorized && !known
}

// deniesRefreshToken recognises the words for a refresh token that is refused.
func deniesRefreshToken(description string) bool {
	return strings.Contains(strings.ReplaceAll(strings.ToLower(description), "_", " "), "refresh token is invalid")
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
