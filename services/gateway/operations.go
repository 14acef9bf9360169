package gateway

import (
	"net/http"

	"github.com/freshet-io/freshet/gen/openapi"
)

// Operations returns what every process serves over HTTP, whatever its roles: /healthz, /readyz and /metrics. Health answers carry no
// data and need no key, because load balancers and kubelets have none. It needs Authenticate, Ready, Metrics and Logger.
func Operations(p Params) http.Handler {
	problems := problemWriter{log: p.Logger}
	return operations(p, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { problems.notServed(w, r, nil) }))
}

// operations serves the fixed paths, and rest everything else. The fixed paths are compared as they were sent: nothing is cleaned or
// redirected.
func operations(p Params, rest http.Handler) http.Handler {
	problems := problemWriter{log: p.Logger}
	fixed := map[string]http.Handler{
		"/healthz": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok\n") }),
		"/readyz":  http.HandlerFunc(p.serveReadiness),
		"/metrics": p.authenticated(p.Metrics),
	}
	if p.Connection != nil { // the whole face, not only what every process serves
		fixed["/openapi.json"] = p.authenticated(http.HandlerFunc(serveOpenAPI))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		boundBody(w, r)
		handler, ok := fixed[r.URL.EscapedPath()]
		switch {
		case !ok:
			rest.ServeHTTP(w, r)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			problems.notServed(w, r, []string{http.MethodGet, http.MethodHead})
		default:
			handler.ServeHTTP(w, r)
		}
	})
}

func (p Params) serveReadiness(w http.ResponseWriter, _ *http.Request) {
	if err := p.Ready(); err != nil {
		writeText(w, http.StatusServiceUnavailable, "not ready: "+err.Error()+"\n")
		return
	}
	writeText(w, http.StatusOK, "ready\n")
}

// authenticated lets only callers through that the gRPC servers would let through.
func (p Params) authenticated(next http.Handler) http.Handler {
	problems := problemWriter{log: p.Logger}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := p.Authenticate(credentials(r.Header)); err != nil {
			problems.error(r.Context(), w, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", mimeJSON)
	_, _ = w.Write(openapi.Document) // The caller may have left.
}

func writeText(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text)) // The caller may have left.
}
