package resourceapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"slices"
)

// SetBasic replaces the accepted passwords of a user; none refuses them all.
func (a *API) SetBasic(user string, passwords ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.basic[user] = slices.Clone(passwords)
}

// SetAPIKey replaces the accepted values of an API key header; none refuses them all.
func (a *API) SetAPIKey(header string, values ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	// A header without values stays known, so that the record keeps redacting it.
	a.apiKeys[http.CanonicalHeaderKey(header)] = slices.Clone(values)
}

// basicAuth checks Basic credentials (RFC 7617).
func (a *API) basicAuth(r *http.Request, _ *Call) verdict {
	refusal := verdict{status: http.StatusUnauthorized, cause: CauseMissing, challenge: `Basic realm="orders", charset="UTF-8"`}
	user, password, ok := r.BasicAuth()
	if !ok {
		return refusal
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !oneOf(password, a.basic[user]) {
		refusal.cause = CauseCredentials
		return refusal
	}
	return verdict{status: http.StatusOK}
}

// apiKey checks that one API key header carries an accepted value.
func (a *API) apiKey(r *http.Request, _ *Call) verdict {
	// RFC 9110 §11.6.1 wants a challenge on every 401; no scheme is registered for API keys.
	refusal := verdict{status: http.StatusUnauthorized, cause: CauseMissing, challenge: `ApiKey realm="orders"`}
	a.mu.Lock()
	defer a.mu.Unlock()
	for header, accepted := range a.apiKeys {
		given := r.Header.Values(header)
		if len(given) == 0 {
			continue
		}
		refusal.cause = CauseCredentials
		if len(given) == 1 && oneOf(given[0], accepted) {
			return verdict{status: http.StatusOK}
		}
	}
	return refusal
}

// oneOf compares without telling by its duration how much of a secret was right.
func oneOf(given string, accepted []string) bool {
	sum := sha256.Sum256([]byte(given))
	match := 0
	for _, candidate := range accepted {
		want := sha256.Sum256([]byte(candidate))
		match |= subtle.ConstantTimeCompare(sum[:], want[:])
	}
	return match == 1
}
