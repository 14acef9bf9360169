package proxy

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"google.golang.org/grpc/metadata"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/gateway/proxy/hygiene"
	"github.com/freshet-io/freshet/services/gateway/proxy/quota"
	"github.com/freshet-io/freshet/services/gateway/proxy/target"
)

const (
	// headerHost names another of the connection's hosts to call.
	headerHost = "Freshet-Host"
	// headerRedirects, as "follow", has redirects to other hosts followed, without the credential.
	headerRedirects = "Freshet-Redirects"
	// headerRetries asks for up to so many further attempts after an answer that says to come back later.
	headerRetries = "Freshet-Retries"
)

// call is one call.
type call struct {
	proxy *Proxy
	in    *http.Request
	out   *http.ResponseController // of the caller's connection
	md    metadata.MD              // the caller's credential

	name   target.Call
	api    *connectionv1.Api
	source *source
	target *url.URL
	body   *requestBody
	follow bool // redirects to other hosts

	status   int // of the API's answer; 0 without one
	attempts int
	passed   int64 // bytes of the answer's body

	deadlines deadlines
}

// serve makes the call. An error means that nothing was written.
func (c *call) serve(ctx context.Context, w http.ResponseWriter) error {
	retries, err := c.judge()
	if err != nil {
		return err
	}
	if c.api, err = c.proxy.apis.ofCall(ctx, c.md, c.name.Connection, strings.TrimSuffix(c.name.Token, "/token")); err != nil {
		return ofService(ctx, err)
	}
	if err := c.name.CheckSlashes(); err != nil && !c.api.GetEncodedSlashes() {
		return ofTarget(err)
	}
	if c.target, err = target.URL(c.api.GetBaseUrl(), c.api.GetHosts(), c.in.Header.Get(headerHost), c.name.Path, c.in.URL.RawQuery); err != nil {
		return ofTarget(err)
	}
	if err := c.checkQuota(); err != nil {
		return err
	}
	if c.source, err = c.proxy.sources.acquire(ctx, c.name.Token); err != nil {
		return c.ofToken(ctx, err)
	}
	defer c.proxy.sources.release(c.source)
	seen, err := c.source.current()
	if err != nil {
		return c.ofToken(ctx, err)
	}
	current := seen.token
	if c.body, err = c.readBody(current); err != nil {
		return err
	}
	defer c.body.end()
	if c.body.stream != nil {
		_ = c.out.EnableFullDuplex() // HTTP/2 is already
	}
	response, err := c.attempt(ctx, current, retries)
	if err != nil {
		return err
	}
	if c.follow {
		if response, err = c.followed(ctx, response, seen); err != nil {
			return err
		}
	}
	defer func() { _ = response.Body.Close() }()
	if err := c.judgeAnswer(response); err != nil {
		return err
	}
	c.answer(w, response, seen)
	return nil
}

// judge refuses what the proxy does not do, and reads the path.
func (c *call) judge() (retries int, err error) {
	r := c.in
	switch {
	case r.URL.IsAbs() || r.URL.Host != "" || r.URL.Opaque != "":
		return 0, refused("the request must name a path, not a whole URL")
	case r.Method == http.MethodConnect || strings.EqualFold(r.Method, http.MethodTrace) || strings.EqualFold(r.Method, "TRACK"):
		return 0, refused("the method %s is not passed on", r.Method)
	case len(r.Header["Upgrade"]) > 0:
		return 0, refused("the protocol of a connection cannot be changed: there must be no header Upgrade")
	case len(r.Header.Values(headerHost)) > 1:
		return 0, refused("the header %s is there more than once", headerHost)
	}
	if c.follow, err = followsOf(r.Method, r.Header.Values(headerRedirects)); err != nil {
		return 0, err
	}
	call, ok, err := target.Parse(r.URL.EscapedPath())
	if err != nil {
		return 0, ofTarget(err)
	}
	if !ok {
		return 0, notServed()
	}
	c.name = call
	return retriesOf(r.Header.Values(headerRetries))
}

// checkQuota refuses a call that the API said is too many, or that the connection's settings do.
func (c *call) checkQuota() error {
	now := c.proxy.params.Now()
	if left := c.proxy.holds.Left(c.name.Token, now); left > 0 {
		return heldOff(left)
	}
	if wait := c.proxy.limits.Take(c.name.Token, c.api.GetRequestsPerSecond(), int(c.api.GetBurst()), now); wait > 0 {
		return overLimit(wait)
	}
	return nil
}

// attempt sends the request, and once more where the caller wants it and the API says to come back within the call's time.
func (c *call) attempt(ctx context.Context, current *tokenv1.Token, retries int) (*http.Response, error) {
	for ; ; retries-- {
		c.attempts++
		response, err := c.send(ctx, current)
		if err != nil {
			return nil, err
		}
		c.status = response.StatusCode
		now := c.proxy.params.Now()
		until, limited := c.rules().Limited(response.StatusCode, response.Header, now)
		if !limited && response.StatusCode == http.StatusServiceUnavailable {
			until, _ = quota.After(response.Header.Get("Retry-After"), now)
		}
		again := retries > 0 && c.body.replayable() && (limited || response.StatusCode == http.StatusServiceUnavailable)
		if again && c.pause(ctx, until.Sub(now), until.IsZero()) {
			drain(response)
			continue
		}
		if limited {
			c.proxy.holds.Hold(c.name.Token, until, now)
		}
		return response, nil
	}
}

const (
	// longestPause is how long an attempt that the caller asked for is waited for.
	longestPause = 30 * time.Second
	// firstPause is the pause before an attempt where the API does not say; it doubles with every further one.
	firstPause = 500 * time.Millisecond
)

// pause waits before a further attempt. It returns false at once if that would take too long.
func (c *call) pause(ctx context.Context, wait time.Duration, unknown bool) bool {
	if unknown {
		wait = firstPause << (c.attempts - 1)
	}
	if deadline, ok := ctx.Deadline(); wait > longestPause || ok && time.Until(deadline) <= wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// rules are how the API speaks of its limits.
func (c *call) rules() quota.Rules {
	limit := c.api.GetRateLimit()
	rules := quota.Rules{
		Remaining: limit.GetRemainingHeader(), Reset: limit.GetResetHeader(), RetryAfter: limit.GetRetryAfterHeader(),
	}
	if kind := limit.GetResetKind(); kind != connectionv1.ApiRateLimit_RESET_KIND_UNSPECIFIED {
		rules.ResetKind = kind.String()
	}
	for _, status := range limit.GetStatuses() {
		rules.Statuses = append(rules.Statuses, int(status))
	}
	return rules
}

// send makes one attempt; a refused token makes it two, and so does an API that wants another nonce in a proof.
func (c *call) send(ctx context.Context, current *tokenv1.Token) (*http.Response, error) {
	to := *c.target
	to.RawQuery = target.Without(to.RawQuery, keysOf(current.GetCredential().GetQuery()))
	request := (&http.Request{}).WithContext(ctx)
	request.Method, request.URL, request.Host = c.in.Method, &to, to.Host
	request.Proto, request.ProtoMajor, request.ProtoMinor = "HTTP/1.1", 1, 1
	request.Header = hygiene.Request(c.in.Header, c.api.GetHeaders())
	request.Body, request.ContentLength = c.body.reader(), c.body.length
	if c.body.replayable() {
		request.GetBody = c.body.again
	}
	for _, field := range current.GetCredential().GetHeaders() {
		request.Header.Del(field.GetKey()) // whatever the caller says in its place
	}
	response, err := c.source.RoundTrip(request)
	if err != nil {
		return nil, c.ofSend(ctx, err)
	}
	return response, nil
}

// judgeAnswer refuses answers that lead the caller elsewhere.
func (c *call) judgeAnswer(response *http.Response) error {
	if response.StatusCode == http.StatusSwitchingProtocols {
		return answerRefused("the API wants to change the protocol of the connection")
	}
	if response.ContentLength > c.proxy.params.MaxResponse {
		return answerRefused("the API's answer has more than %d bytes", c.proxy.params.MaxResponse)
	}
	if response.StatusCode < 300 || response.StatusCode > 399 {
		return nil
	}
	for _, location := range response.Header.Values("Location") {
		if !target.SameOrigin(c.target, location) {
			return answerRefused("the API redirects to another host; its answer is not passed on")
		}
	}
	return nil
}

func keysOf(fields []*tokenv1.HttpCredentialField) []string {
	if len(fields) == 0 {
		return nil
	}
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.GetKey()
	}
	return keys
}

// errTimeout ends the context of a call that takes too long.
var errTimeout = errors.New("the time of a call is over")
