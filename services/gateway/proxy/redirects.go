package proxy

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/freshet-io/freshet/services/gateway/proxy/target"
)

// maxRedirects is how many redirects are followed for a call.
const maxRedirects = 3

// followsOf reads the header Freshet-Redirects.
func followsOf(method string, values []string) (bool, error) {
	switch {
	case len(values) == 0:
		return false, nil
	case len(values) > 1 || values[0] != "follow":
		return false, refused("the header %s must be follow", headerRedirects)
	case method != http.MethodGet && method != http.MethodHead:
		return false, refused("the header %s goes with GET and HEAD only", headerRedirects)
	}
	return true, nil
}

// followed goes where an answer leads, unless that is the API itself, and returns the answer from there. Such places are for everybody
// who has their address, as a download's is: nothing of the credential goes along, and of the caller's headers only what the content
// depends on.
func (c *call) followed(ctx context.Context, response *http.Response, seen *state) (*http.Response, error) {
	from := c.target
	for hops := 0; ; hops++ {
		location := response.Header.Get("Location")
		if !isRedirect(response.StatusCode) || location == "" || target.SameOrigin(c.target, location) && hops == 0 {
			return response, nil
		}
		drain(response)
		if hops == maxRedirects {
			return nil, answerRefused("the API's redirect leads to more than %d others", maxRedirects)
		}
		if seen.secrets.In([]string{location}) {
			return nil, answerRefused("the API's redirect has the credential in it; it is not followed")
		}
		to, err := from.Parse(location)
		if err != nil || to.Host == "" || to.User != nil || strings.ContainsAny(location, "\\\t\r\n") { // read in other ways by others
			return nil, answerRefused("the API redirects to no valid URL")
		}
		to.Fragment, to.RawFragment = "", ""
		if response, err = c.fetch(ctx, to); err != nil {
			return nil, err
		}
		c.status, from = response.StatusCode, to
	}
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// fetch asks another host, as nobody.
func (c *call) fetch(ctx context.Context, from *url.URL) (*http.Response, error) {
	c.attempts++
	request := (&http.Request{}).WithContext(ctx)
	request.Method, request.URL, request.Host = c.in.Method, from, from.Host
	request.Proto, request.ProtoMajor, request.ProtoMinor = "HTTP/1.1", 1, 1
	request.Header = http.Header{"User-Agent": nil, "Accept-Encoding": {"identity"}}
	for _, name := range []string{
		"Accept", "Accept-Encoding", "Accept-Language", "Range", "If-Range", "If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since", "User-Agent",
	} {
		if values, given := c.in.Header[name]; given {
			request.Header[name] = values
		}
	}
	response, err := c.proxy.params.Transport.RoundTrip(request)
	if err != nil {
		return nil, c.ofSend(ctx, err)
	}
	return response, nil
}
