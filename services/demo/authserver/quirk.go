package authserver

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ExpiresIn is how a token response spells the token's lifetime.
type ExpiresIn string

// The spellings seen at real providers; the token itself lives for the configured lifetime in
// every case.
const (
	ExpiresInNumber       ExpiresIn = ""             // 5
	ExpiresInString       ExpiresIn = "string"       // "5"
	ExpiresInFloat        ExpiresIn = "float"        // 5.0
	ExpiresInMissing      ExpiresIn = "missing"      // no member
	ExpiresInNull         ExpiresIn = "null"         // null
	ExpiresInZero         ExpiresIn = "zero"         // 0
	ExpiresInNegative     ExpiresIn = "negative"     // -1
	ExpiresInMilliseconds ExpiresIn = "milliseconds" // 5000
	ExpiresInText         ExpiresIn = "text"         // "never"
)

// ExpiresAt is how a token response spells the time of expiry.
type ExpiresAt string

// The spellings seen at real providers.
const (
	ExpiresAtMissing      ExpiresAt = ""             // no member
	ExpiresAtSeconds      ExpiresAt = "seconds"      // since 1970
	ExpiresAtMilliseconds ExpiresAt = "milliseconds" // since 1970
	ExpiresAtRFC3339      ExpiresAt = "rfc3339"      // "2030-01-02T15:04:05Z"
)

// Body is the shape of a successful token response.
type Body string

// The shapes seen at real providers. The token is issued in every case.
const (
	BodyJSON   Body = ""       // RFC 6749 §5.1
	BodyForm   Body = "form"   // the same members, form encoded
	BodyNested Body = "nested" // the JSON object under "data"
	BodyEmpty  Body = "empty"  // no body at all
	BodyHTML   Body = "html"   // a page
)

// Quirks are the ways in which token responses deviate from RFC 6749; the zero value does not.
type Quirks struct {
	// ExpiresIn is the spelling of expires_in.
	ExpiresIn ExpiresIn
	// TokenType replaces "Bearer", for instance by "bearer" or "BEARER".
	TokenType string
	// Body is the shape of a success.
	Body Body
	// Status is the status of a success; 0 means 200.
	Status int
	// Names are the names that members of a success have instead, by their names in RFC 6749.
	Names map[string]string
	// ExpiresAt adds expires_at, the time of expiry.
	ExpiresAt ExpiresAt
	// Extra are further members of a success.
	Extra map[string]string
	// ErrorsAs200 answers refusals with status 200 and an error member.
	ErrorsAs200 bool
}

// grantResult is a committed token response.
type grantResult struct {
	accessToken  string
	refreshToken string // empty: none in the response
	scope        string
	lifetime     time.Duration
	expires      time.Time
	issuedType   string // of a token exchange
	idToken      string // empty: none in the response
	bound        bool   // to a key
}

// expiresIn returns the JSON text of expires_in, or "" for no member.
func (q Quirks) expiresIn(lifetime time.Duration) string {
	seconds := decimalSeconds(int64(lifetime/time.Second), int(lifetime%time.Second/time.Microsecond))
	switch q.ExpiresIn {
	case ExpiresInString:
		return strconv.Quote(seconds)
	case ExpiresInFloat:
		if !strings.Contains(seconds, ".") {
			return seconds + ".0"
		}
		return seconds
	case ExpiresInMissing:
		return ""
	case ExpiresInNull:
		return "null"
	case ExpiresInZero:
		return "0"
	case ExpiresInNegative:
		return "-1"
	case ExpiresInMilliseconds:
		return strconv.FormatInt(lifetime.Milliseconds(), 10)
	case ExpiresInText:
		return `"never"`
	default:
		return seconds
	}
}

// success is the response for a committed grant, with the quirks applied.
func (q Quirks) success(result grantResult) response {
	tokenType := q.TokenType
	switch {
	case tokenType != "":
	case result.bound:
		tokenType = "DPoP"
	default:
		tokenType = "Bearer"
	}
	status := q.Status
	if status == 0 {
		status = http.StatusOK
	}
	members := map[string]any{"access_token": result.accessToken, "token_type": tokenType}
	form := url.Values{"access_token": {result.accessToken}, "token_type": {tokenType}}
	add := func(name, value string) {
		if value != "" {
			members[name] = value
			form.Set(name, value)
		}
	}
	add("scope", result.scope)
	add("refresh_token", result.refreshToken)
	add("issued_token_type", result.issuedType)
	add("id_token", result.idToken)
	for name, value := range q.Extra {
		add(name, value)
	}
	switch q.ExpiresAt {
	case ExpiresAtSeconds:
		add("expires_at", strconv.FormatInt(result.expires.Unix(), 10))
	case ExpiresAtMilliseconds:
		add("expires_at", strconv.FormatInt(result.expires.UnixMilli(), 10))
	case ExpiresAtRFC3339:
		add("expires_at", result.expires.UTC().Format(time.RFC3339Nano))
	case ExpiresAtMissing:
	}
	if expiresIn := q.expiresIn(result.lifetime); expiresIn != "" {
		members["expires_in"] = json.RawMessage(expiresIn)
		form.Set("expires_in", strings.Trim(expiresIn, `"`))
	}
	for name, other := range q.Names {
		if value, ok := members[name]; ok {
			delete(members, name)
			members[other] = value
			form.Set(other, form.Get(name))
			form.Del(name)
		}
	}
	switch q.Body {
	case BodyForm:
		return newResponse(status, "application/x-www-form-urlencoded", []byte(form.Encode()))
	case BodyNested:
		return jsonResponse(status, map[string]any{"data": members})
	case BodyEmpty:
		return newResponse(status, "application/json", nil)
	case BodyHTML:
		return newResponse(status, "text/html; charset=utf-8", []byte("<!doctype html><title>Signed in</title><p>Welcome back.</p>\n"))
	default:
		return jsonResponse(status, members)
	}
}
