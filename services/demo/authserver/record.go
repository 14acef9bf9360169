package authserver

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Bounds of what the server remembers for assertions; the oldest go first.
const (
	maxRequests = 1_000
	maxIssued   = 50_000
)

// Issued is one access token in the history. It does not hold the token.
type Issued struct {
	// Client is the client_id the token was issued to.
	Client string
	// GrantType is the grant_type it was issued for.
	GrantType string
	// JTI is the token's id.
	JTI string
	// Fingerprint is Fingerprint of the token.
	Fingerprint string
	// Scope is the granted scope, space separated.
	Scope string
	// Audience is the token's aud.
	Audience []string
	// IssueTime and ExpireTime are the token's iat and exp.
	IssueTime, ExpireTime time.Time
}

// Request is one request to the token endpoint as it arrived. Secrets in it are replaced by their
// fingerprints; see Fingerprint.
type Request struct {
	// Time is when it arrived.
	Time time.Time
	// Method is the HTTP method.
	Method string
	// Client is the client_id it claims, verified or not.
	Client string
	// AuthMethod is one of the Auth constants.
	AuthMethod string
	// Header is the header; Authorization keeps its scheme only.
	Header http.Header
	// Query and Body are the parameters of the URL and of the form.
	Query, Body url.Values
}

// Stats are totals since the start.
type Stats struct {
	// Requests counts requests to the token endpoint, faulty ones included.
	Requests int
	// MaxInFlight is the largest number of token requests that were open at once.
	MaxInFlight int
	// Issued counts access tokens by client_id.
	Issued map[string]int
	// Refused counts error answers the server meant, by error code.
	Refused map[string]int
	// Faults counts injected faults by kind.
	Faults map[FaultKind]int
	// DoubleRedemptions counts presentations of a refresh token that was already replaced,
	// inside a grace window or not.
	DoubleRedemptions int
	// FamiliesRevoked counts refresh token families revoked because of one.
	FamiliesRevoked int
}

func (s Stats) clone() Stats {
	s.Issued = maps.Clone(s.Issued)
	s.Refused = maps.Clone(s.Refused)
	return s
}

// Total is the number of access tokens issued to all clients.
func (s Stats) Total() int {
	total := 0
	for _, n := range s.Issued {
		total += n
	}
	return total
}

func newRequest(r *http.Request, form url.Values, found credentials, now time.Time) Request {
	header := r.Header.Clone()
	for i, value := range header["Authorization"] {
		scheme, _, _ := strings.Cut(value, " ")
		header["Authorization"][i] = scheme
	}
	if header.Get("Cookie") != "" {
		header.Set("Cookie", Fingerprint(header.Get("Cookie")))
	}
	return Request{
		Time:       now,
		Method:     r.Method,
		Client:     found.id,
		AuthMethod: found.method,
		Header:     header,
		Query:      redactValues(r.URL.Query()),
		Body:       redactValues(form),
	}
}

func redactValues(values url.Values) url.Values {
	redacted := make(url.Values, len(values))
	for name, list := range values {
		list = slices.Clone(list)
		if isSecret(name) {
			for i, value := range list {
				list[i] = Fingerprint(value)
			}
		}
		redacted[name] = list
	}
	return redacted
}

// isSecret reports whether a parameter of this name holds a secret, also under names that a dialect gives it.
func isSecret(name string) bool {
	return slices.ContainsFunc([]string{"secret", "token", "assertion", "password", "code"}, func(part string) bool {
		return strings.Contains(name, part) && !strings.HasSuffix(name, "_type")
	})
}

// appendBounded appends, and drops the oldest half once twice the bound is reached, so that the
// last bound entries are always there at constant cost.
func appendBounded[T any](list []T, item T, bound int) []T {
	if len(list) >= 2*bound {
		list = slices.Clone(list[len(list)-bound:])
	}
	return append(list, item)
}

// lastOf returns a copy of the newest entries, at most bound, oldest first.
func lastOf[T any](list []T, bound int) []T {
	return slices.Clone(list[max(0, len(list)-bound):])
}
