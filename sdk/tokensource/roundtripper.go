package tokensource

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

// drainLimit is how much of a 401's body is read so that its connection can be
// used for the retry.
const drainLimit = 64 << 10

// RoundTripper returns a transport that puts the current credential on every
// request, of whatever kind the connection is: its headers replace those of the
// same name, its query parameters are appended, its body members are added to
// the body, which must then be a JSON object and is read into memory (a request
// without a body gets none). A nil base means [http.DefaultTransport].
//
// After a 401 it reports the credential, once for all requests that used it,
// waits for the next generation (see [WithRejectionWait]) and tries once more if
// the body can be sent again: there is none, or the request has GetBody.
// Otherwise, and when no other credential comes, the 401 is the answer.
//
// The credential goes over https or to the loopback only (see
// [WithInsecureHTTP]), and not where an [http.Client]'s redirect leads to
// another origin: such requests are sent without it.
//
// Errors: as [Source.Token], except ErrNoAccessToken; [ErrInsecure]; the base's.
func (s *Source) RoundTripper(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{source: s, base: base}
}

// HTTPClient returns a client with [Source.RoundTripper] over
// [http.DefaultTransport]. It has no timeout of its own.
func (s *Source) HTTPClient() *http.Client {
	return &http.Client{Transport: s.RoundTripper(nil)}
}

type transport struct {
	source *Source
	base   http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if redirected(request) {
		return t.base.RoundTrip(request)
	}
	if !t.source.opts.insecureHTTP && !protected(request.URL) {
		return nil, discard(request, fmt.Errorf("tokensource: %s: %w (%s)", t.source.name, ErrInsecure, request.URL.Host))
	}
	token, err := t.source.forRequest(request.Context())
	if err != nil {
		return nil, discard(request, err)
	}
	out := &outgoing{request: request}
	response, err := t.send(out, token)
	if err != nil || response.StatusCode != http.StatusUnauthorized {
		return response, err
	}
	return t.again(out, token, response)
}

// CloseIdleConnections closes those of the base, if it has any; it serves
// [http.Client.CloseIdleConnections].
func (t *transport) CloseIdleConnections() {
	if base, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// again follows up a 401: with a second attempt if that can be made.
func (t *transport) again(out *outgoing, refused *tokenv1.Token, response *http.Response) (*http.Response, error) {
	if !out.replayable() {
		if t.source.other(refused) == nil {
			t.source.rejected(refused.GetFingerprint())
		}
		return response, nil
	}
	next := t.source.replacement(out.request.Context(), refused)
	if next == nil {
		return response, nil
	}
	// What is left of the refusal does not matter, only its connection does.
	_, _ = io.CopyN(io.Discard, response.Body, drainLimit)
	_ = response.Body.Close()
	response, err := t.send(out, next)
	if err == nil && response.StatusCode == http.StatusUnauthorized {
		t.source.rejections.retriedInVain(next.GetFingerprint())
	}
	return response, err
}

// send makes one attempt. The response names the caller's request, so that the
// credential does not get about with it.
func (t *transport) send(out *outgoing, token *tokenv1.Token) (*http.Response, error) {
	request, err := out.with(token)
	if err != nil {
		return nil, discard(out.request, err)
	}
	response, err := t.base.RoundTrip(request)
	if response != nil {
		response.Request = out.request
	}
	return response, err
}

// discard closes the body of a request that is not sent, as [http.RoundTripper]
// requires, and returns err.
func discard(request *http.Request, err error) error {
	if request.Body == nil {
		return err
	}
	if closing := request.Body.Close(); closing != nil {
		return errors.Join(err, closing)
	}
	return err
}
