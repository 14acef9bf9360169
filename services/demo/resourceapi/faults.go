package resourceapi

import (
	"net/http"
	"strconv"
	"time"
)

// status answers as its path and query say.
func (a *API) status(r *http.Request, call *Call) verdict {
	code, err := strconv.Atoi(r.PathValue("code"))
	if err != nil || code < 200 || code > 599 {
		return badParameter("code", "a status from 200 to 599")
	}
	if text := call.Query.Get("n"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return badParameter("n", "a count")
		}
		if a.attempt(r, call) > n {
			return verdict{status: http.StatusOK}
		}
	}
	header := http.Header{}
	if value := call.Query.Get("retry_after"); value != "" {
		header.Set("Retry-After", value)
	}
	if value := call.Query.Get("location"); value != "" {
		header.Set("Location", value)
	}
	return verdict{status: code, header: header}
}

// flaky fails at first.
func (a *API) flaky(r *http.Request, call *Call) verdict {
	n, err := strconv.Atoi(call.Query.Get("fail"))
	if err != nil || n < 0 {
		return badParameter("fail", "a count")
	}
	if a.attempt(r, call) <= n {
		return verdict{status: http.StatusServiceUnavailable}
	}
	return verdict{status: http.StatusOK}
}

// slow takes its time, or gives up with its caller.
func (a *API) slow(r *http.Request, call *Call) verdict {
	d, err := time.ParseDuration(call.Query.Get("d"))
	if err != nil || d < 0 {
		return badParameter("d", `a duration such as "1.5s"`)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return verdict{status: http.StatusOK}
	case <-r.Context().Done():
		return verdict{}
	}
}

// attempt counts the calls of one delivery to one URL, from 1.
func (a *API) attempt(r *http.Request, call *Call) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := r.URL.RequestURI() + " " + call.ID
	a.attempts[key]++
	return a.attempts[key]
}

func badParameter(name, allowed string) verdict {
	return verdict{status: http.StatusBadRequest, cause: CauseParameter, detail: "parameter " + name + " must be " + allowed}
}
