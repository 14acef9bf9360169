package resourceapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Cause says why a call was refused.
type Cause string

// Causes of a 401, except where noted.
const (
	CauseMissing         Cause = "missing"          // no credential of the kind the path wants
	CauseMalformed       Cause = "malformed"        // not an access token JWT
	CauseWrongKey        Cause = "wrong_key"        // signed with a key the API does not know
	CauseSignature       Cause = "signature"        // known key, wrong signature
	CauseIssuer          Cause = "issuer"           // another issuer
	CauseAudience        Cause = "audience"         // for another audience
	CauseExpired         Cause = "expired"          // at or after exp
	CauseRevoked         Cause = "revoked"          // revoked before its end
	CauseCredentials     Cause = "credentials"      // wrong password or API key
	CauseScope           Cause = "wrong_scope"      // 403: the token lacks the scope
	CauseParameter       Cause = "bad_parameter"    // 400: a fault path cannot do what the query asks
	CauseKeysUnavailable Cause = "keys_unavailable" // 503: the key set could not be read
)

// Call is one received call. Credentials in its header are replaced by fingerprints.
type Call struct {
	// Time is when it arrived.
	Time time.Time
	// Method, Path and Query are those of the request.
	Method, Path string
	Query        url.Values
	// Header is the header; Authorization, cookies and API keys are fingerprints.
	Header http.Header
	// Body is the body, at most 1 MiB.
	Body []byte
	// ID is the delivery's id: Config.IDHeader, else Config.IDField of a JSON body, else {id}
	// of the path, else empty.
	ID string
	// Status is the status of the answer; 0 if the caller left before it.
	Status int
	// Cause says why the call was refused; empty otherwise.
	Cause Cause
	// JTI is the id of a verified token.
	JTI string
	// TokenFingerprint is Fingerprint of the bearer token.
	TokenFingerprint string
	// ValidFor is how long a verified token had left; not positive if it had expired.
	ValidFor time.Duration
}

// Stats are totals since the start.
type Stats struct {
	// Received counts all calls, Accepted those answered 2xx.
	Received, Accepted int
	// Unauthorized counts 401s, Forbidden 403s.
	Unauthorized, Forbidden int
	// Refused counts refused calls by cause.
	Refused map[Cause]int
	// InFlight is the number of calls being answered now, MaxInFlight its maximum.
	InFlight, MaxInFlight int
}

// Stats returns the totals since the start.
func (a *API) Stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	stats := a.stats
	stats.Refused = maps.Clone(stats.Refused)
	return stats
}

// Received returns the last answered calls, accepted or not, oldest first; at most Config.History.
func (a *API) Received() []Call {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.calls[max(0, len(a.calls)-a.history):])
}

// Delivered returns how often each delivery id was accepted. It is complete: nothing is ever
// dropped from it.
func (a *API) Delivered() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.delivered)
}

// Changed returns a channel that is closed when the next call arrives or is answered. Take it
// before reading what is waited for.
func (a *API) Changed() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.changed
}

// Fingerprint names a secret without revealing it: the first 16 hexadecimal digits of its SHA-256.
func Fingerprint(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return "sha256:" + hex.EncodeToString(sum[:8])
}

func (a *API) arrived() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stats.Received++
	a.stats.InFlight++
	a.stats.MaxInFlight = max(a.stats.MaxInFlight, a.stats.InFlight)
	a.notify()
}

func (a *API) finished(call Call, header http.Header) {
	a.mu.Lock()
	defer a.mu.Unlock()
	call.Header = a.redacted(header)
	// Dropping half at twice the bound keeps the last calls there at constant cost.
	if len(a.calls) >= 2*a.history {
		a.calls = slices.Clone(a.calls[len(a.calls)-a.history:])
	}
	a.calls = append(a.calls, call)
	a.stats.InFlight--
	switch {
	case call.Status >= 200 && call.Status < 300:
		a.stats.Accepted++
		if call.ID != "" {
			a.delivered[call.ID]++
		}
	case call.Status == http.StatusUnauthorized:
		a.stats.Unauthorized++
	case call.Status == http.StatusForbidden:
		a.stats.Forbidden++
	}
	if call.Cause != "" {
		a.stats.Refused[call.Cause]++
	}
	a.notify()
}

// notify wakes everyone who waits on Changed. a.mu must be held.
func (a *API) notify() {
	close(a.changed)
	a.changed = make(chan struct{})
}

// redacted returns the header with every credential replaced. a.mu must be held.
func (a *API) redacted(header http.Header) http.Header {
	header = header.Clone()
	for name, values := range header {
		_, isKey := a.apiKeys[name]
		if isKey || name == "Authorization" || name == "Proxy-Authorization" || name == "Cookie" {
			for i, value := range values {
				values[i] = Fingerprint(value)
			}
		}
	}
	return header
}

// deliveryID finds the id that deliveries are counted by.
func (a *API) deliveryID(r *http.Request, body []byte) string {
	if id := r.Header.Get(a.idHeader); id != "" {
		return id
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) == nil {
		if raw := members[a.idField]; len(raw) > 0 && string(raw) != "null" {
			var text string
			if json.Unmarshal(raw, &text) == nil {
				return text
			}
			return string(raw)
		}
	}
	return r.PathValue("id")
}
