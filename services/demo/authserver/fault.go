package authserver

import (
	"bytes"
	"context"
	"maps"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// FaultKind names what goes wrong with a token request.
type FaultKind string

// Faults before processing: no token is issued, no refresh token is spent.
const (
	// FaultDelay waits Fault.Delay and then processes the request as usual.
	FaultDelay FaultKind = "delay"
	// FaultStatus answers Fault.Status (default 500), with Retry-After if asked for.
	FaultStatus FaultKind = "status"
	// FaultOAuthError answers the error Fault.Code with Fault.Status (default by RFC 6749 §5.2).
	FaultOAuthError FaultKind = "oauth_error"
	// FaultRedirect answers Fault.Status (default 307) with Fault.Location.
	FaultRedirect FaultKind = "redirect"
	// FaultHTML answers Fault.Status (default 200) with a page, as a captive portal does.
	FaultHTML FaultKind = "html"
	// FaultNonceChallenge refuses the request's proof for want of a new nonce (RFC 9449 §8).
	FaultNonceChallenge FaultKind = "nonce_challenge"
	// FaultResetBeforeProcessing reads the request and resets the connection.
	FaultResetBeforeProcessing FaultKind = "reset_before_processing"
)

// Faults after the commit: the token is issued and a refresh token spent, but the client does not
// get a usable answer.
const (
	// FaultResetAfterCommit resets the connection instead of answering.
	FaultResetAfterCommit FaultKind = "reset_after_commit"
	// FaultDelayAfterCommit waits Fault.Delay and then answers.
	FaultDelayAfterCommit FaultKind = "delay_after_commit"
	// FaultTruncatedBody sends half of the body it promised.
	FaultTruncatedBody FaultKind = "truncated_body"
	// FaultMalformedJSON sends a complete body that is not JSON.
	FaultMalformedJSON FaultKind = "malformed_json"
	// FaultWrongContentType sends the right body as text/plain.
	FaultWrongContentType FaultKind = "wrong_content_type"
	// FaultHugeBody pads the body with 4 MiB of white space.
	FaultHugeBody FaultKind = "huge_body"
)

// hugePadding is how much FaultHugeBody adds.
const hugePadding = 4 << 20

// Fault is one scripted misbehaviour of the token endpoint.
type Fault struct {
	// Kind is what happens.
	Kind FaultKind
	// Count is how many requests it happens to; 0 means every one until ClearFaults.
	Count int
	// Client limits the fault to requests that name this client_id; empty means all.
	Client string
	// Redeeming limits it to requests that present a refresh token or a code.
	Redeeming bool
	// Delay is waited before any other effect (with FaultDelayAfterCommit: after the commit).
	// The wait ends early when the client goes away.
	Delay time.Duration
	// Status is the status code of the kinds that answer by themselves; 0 is the kind's default.
	Status int
	// RetryAfter, if positive, is sent with FaultStatus, rounded up to whole seconds.
	RetryAfter time.Duration
	// RetryAfterDate sends RetryAfter as an HTTP-date instead of seconds (RFC 9110 §10.2.3).
	RetryAfterDate bool
	// Code and Description are the members of FaultOAuthError; Code defaults to invalid_request.
	Code, Description string
	// Location is the target of FaultRedirect.
	Location string
}

// faultQueue hands out faults in the order they were injected.
type faultQueue struct {
	mu     sync.Mutex
	faults []Fault
	taken  map[FaultKind]int
}

func (q *faultQueue) inject(f Fault) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.faults = append(q.faults, f)
}

func (q *faultQueue) clear() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.faults = nil
}

// take returns the first fault that applies to a request of the client, and uses it up by one.
func (q *faultQueue) take(clientID string, redeeming bool) (Fault, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, f := range q.faults {
		if f.Client != "" && f.Client != clientID || f.Redeeming && !redeeming {
			continue
		}
		if f.Count == 1 {
			q.faults = append(q.faults[:i:i], q.faults[i+1:]...)
		} else if f.Count > 1 {
			q.faults[i].Count--
		}
		q.taken[f.Kind]++
		return f, true
	}
	return Fault{}, false
}

func (q *faultQueue) counts() map[FaultKind]int {
	q.mu.Lock()
	defer q.mu.Unlock()
	counts := make(map[FaultKind]int, len(q.taken))
	maps.Copy(counts, q.taken)
	return counts
}

// before is the fault's part ahead of processing: how to answer without processing, or nil to go on.
func (f Fault) before(ctx context.Context, now time.Time, q Quirks) send {
	if f.Kind != FaultDelayAfterCommit && !wait(ctx, f.Delay) {
		return abandon
	}
	switch f.Kind {
	case FaultResetBeforeProcessing:
		return resetConnection
	case FaultStatus:
		return f.statusResponse(now).write
	case FaultOAuthError:
		code := orDefault(f.Code, errorInvalidRequest)
		return errorResponse(&oauthError{code: code, description: f.Description, status: f.Status}, q).write
	case FaultRedirect:
		res := newResponse(orDefault(f.Status, http.StatusTemporaryRedirect), "text/plain; charset=utf-8", []byte("moved\n"))
		res.header.Set("Location", f.Location)
		return res.write
	case FaultHTML:
		page := []byte("<!doctype html><title>Sign in</title><p>Sign in to the network first.</p>\n")
		return newResponse(orDefault(f.Status, http.StatusOK), "text/html; charset=utf-8", page).write
	default:
		return nil
	}
}

func (f Fault) statusResponse(now time.Time) response {
	status := orDefault(f.Status, http.StatusInternalServerError)
	res := newResponse(status, "text/plain; charset=utf-8", []byte(http.StatusText(status)+"\n"))
	if f.RetryAfter > 0 {
		value := strconv.FormatInt(int64((f.RetryAfter+time.Second-1)/time.Second), 10)
		if f.RetryAfterDate {
			// Round up: a date has whole seconds and must not ask to come back too early.
			value = now.Add(f.RetryAfter + time.Second - 1).UTC().Format(http.TimeFormat)
		}
		res.header.Set("Retry-After", value)
	}
	return res
}

// after is the fault's part once the answer is ready and what it says is committed.
func (f Fault) after(ctx context.Context, res response) send {
	switch f.Kind {
	case FaultResetAfterCommit:
		return resetConnection
	case FaultDelayAfterCommit:
		if !wait(ctx, f.Delay) {
			return abandon
		}
	case FaultTruncatedBody:
		return res.writeHalf
	case FaultMalformedJSON:
		res.body = bytes.TrimSuffix(res.body, []byte("}"))
	case FaultWrongContentType:
		res.header.Set("Content-Type", "text/plain; charset=utf-8")
	case FaultHugeBody:
		res.body = append(bytes.Repeat([]byte(" "), hugePadding), res.body...)
	default: // struck before the answer
	}
	return res.write
}

// abandon answers a client that is gone.
func abandon(http.ResponseWriter) {}

// wait pauses for d and reports false if ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// resetConnection drops the connection with a TCP reset where the transport can, else by closing
// it. HTTP/2 cannot give up one stream this way; there the fault answers 501.
func resetConnection(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "a connection reset needs HTTP/1", http.StatusNotImplemented)
		return
	}
	raw := conn
	if wrapped, ok := raw.(interface{ NetConn() net.Conn }); ok { // *tls.Conn
		raw = wrapped.NetConn()
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		// Linger 0 makes Close send RST; if it cannot be set, a plain close is the next best.
		_ = tcp.SetLinger(0)
	}
	// tls.Conn.Close would first send an alert; closing the raw connection is the fault asked for.
	_ = raw.Close()
}

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
