package gateway

import (
	"errors"
	"math"
	"net/http"
	"strconv"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/freshet-io/freshet/services/gateway/proxy"
	"github.com/freshet-io/freshet/services/gateway/proxy/target"
)

// headerError tells answers of ours from those of an API: only ours have it, with their reason.
const headerError = "Freshet-Error"

// Proxy makes calls of APIs with the credentials of connections; *[proxy.Proxy] is one.
type Proxy interface {
	// Serve makes a call and writes its answer. An error means that nothing was written, and is the answer.
	Serve(w http.ResponseWriter, r *http.Request, caller metadata.MD) error
}

// proxied serves what is below /proxy/v1/. The proxy itself traces and measures calls, for little; requests that never become one are
// observed as those of the REST API are.
type proxied struct {
	proxy        Proxy
	authenticate func(metadata.MD) error
	strangers    http.Handler // observes callers that are not let in
	problems     problemWriter
}

func newProxied(p Params, problems problemWriter) *proxied {
	through := &proxied{proxy: p.Proxy, authenticate: p.Authenticate, problems: problems}
	through.strangers = p.observed(http.HandlerFunc(through.serve))
	return through
}

// ServeHTTP implements http.Handler.
func (p *proxied) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	caller := credentials(r.Header)
	if p.authenticate(caller) != nil {
		p.strangers.ServeHTTP(w, r)
		return
	}
	p.call(w, r, caller)
}

// serve is for those that are not let in, or are now.
func (p *proxied) serve(w http.ResponseWriter, r *http.Request) {
	r.Pattern = target.Template // for the name of the span and the metrics
	caller := credentials(r.Header)
	if err := p.authenticate(caller); err != nil {
		p.refuse(w, r, err)
		return
	}
	p.call(w, r, caller)
}

func (p *proxied) call(w http.ResponseWriter, r *http.Request, caller metadata.MD) {
	if err := p.proxy.Serve(w, r, caller); err != nil {
		p.refuse(w, r, err)
	}
}

func (p *proxied) refuse(w http.ResponseWriter, r *http.Request, err error) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	if answer, ok := errors.AsType[*proxy.Error](err); ok {
		if answer.RetryAfter > 0 {
			header.Set("Retry-After", strconv.Itoa(int(math.Ceil(answer.RetryAfter.Seconds()))))
		}
		if answer.Code == http.StatusRequestEntityTooLarge || answer.Code == http.StatusRequestTimeout {
			header.Set("Connection", "close") // rather than read what is left of the body
		}
		if err = answer.Unwrap(); answer.Code != 0 {
			header.Set(headerError, reasonOf(status.Convert(err)))
			p.problems.error(r.Context(), w, &httpError{code: answer.Code, err: err})
			return
		}
	}
	header.Set(headerError, reasonOf(status.Convert(err)))
	p.problems.error(r.Context(), w, err)
}
