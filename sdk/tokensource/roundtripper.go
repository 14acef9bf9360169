package tokensource

import (
	"errors"
	"fmt"
	"net/http"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/sdk/dpop"
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
// A token that is bound to a key (RFC 9449) goes with a proof for each request,
// made by the token service. An answer 401 by which the API wants another nonce
// in the proof is not reported: the request is sent once more with it, if the
// body can be, and the nonce is remembered for the API's origin.
//
// A token of OAuth 1.0a (RFC 5849) has each request signed by the token service;
// a form is read into memory for that, and may have at most 1 MiB.
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
	response, token, err := t.send(out, token)
	if err != nil || response.StatusCode != http.StatusUnauthorized || challenged(token, response) {
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
	drain(response)
	response, next, err := t.send(out, next)
	if err == nil && response.StatusCode == http.StatusUnauthorized && !challenged(next, response) {
		t.source.rejections.retriedInVain(next.GetFingerprint())
	}
	return response, err
}

// send makes one attempt, and once more if the server wants another nonce for
// it. It returns the token that was used: another one if the given one was
// replaced before it could be proved.
func (t *transport) send(out *outgoing, token *tokenv1.Token) (*http.Response, *tokenv1.Token, error) {
	for again := false; ; again = true {
		proof, proved, err := t.source.proofFor(out.request, token)
		if err != nil {
			return nil, token, discard(out.request, err)
		}
		token = proved
		response, err := t.once(out, token, proof)
		if err != nil || !t.heed(out, token, response) || again {
			return response, token, err
		}
		drain(response)
	}
}

// once sends the request. The response names the caller's request, so that the
// credential does not get about with it.
func (t *transport) once(out *outgoing, token *tokenv1.Token, proof string) (*http.Response, error) {
	request, err := out.with(token)
	if err != nil {
		return nil, discard(out.request, err)
	}
	if proof != "" {
		request.Header.Set(dpop.HeaderProof, proof)
	}
	if token.GetOauth1() != nil {
		if err := out.sign(t.source, request); err != nil {
			return nil, discard(request, err)
		}
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
