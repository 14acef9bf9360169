package authserver

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strconv"
)

// Error codes of RFC 6749 §5.2 and RFC 8707 §2 that the server answers with.
const (
	errorInvalidRequest       = "invalid_request"
	errorInvalidClient        = "invalid_client"
	errorInvalidGrant         = "invalid_grant"
	errorUnsupportedGrantType = "unsupported_grant_type"
	errorInvalidScope         = "invalid_scope"
	errorInvalidTarget        = "invalid_target"
	errorServerError          = "server_error"
)

// oauthError is a refusal in the terms of RFC 6749 §5.2. It is not a Go error: it is an answer.
type oauthError struct {
	code        string
	description string
	status      int // 0: 400, or 401 for invalid_client
}

func invalidRequest(description string) *oauthError {
	return &oauthError{code: errorInvalidRequest, description: description}
}

func invalidClient(description string) *oauthError {
	return &oauthError{code: errorInvalidClient, description: description}
}

func invalidGrant(description string) *oauthError {
	return &oauthError{code: errorInvalidGrant, description: description}
}

// response is an answer before it is written, so that faults can still change it.
type response struct {
	status int
	header http.Header
	body   []byte
}

func newResponse(status int, contentType string, body []byte) response {
	header := http.Header{}
	header.Set("Content-Type", contentType)
	// RFC 6749 §5.1: nothing that carries a token may be cached; errors neither.
	header.Set("Cache-Control", "no-store")
	header.Set("Pragma", "no-cache")
	return response{status: status, header: header, body: body}
}

func jsonResponse(status int, v any) response {
	body, err := json.Marshal(v)
	if err != nil {
		return newResponse(http.StatusInternalServerError, "text/plain; charset=utf-8", []byte("the answer could not be encoded\n"))
	}
	return newResponse(status, "application/json", body)
}

// errorResponse is the answer for a refusal. Every 401 names a scheme, as RFC 9110 §11.6.1 wants.
func errorResponse(e *oauthError, q Quirks) response {
	status := e.status
	if status == 0 {
		status = http.StatusBadRequest
		if e.code == errorInvalidClient {
			status = http.StatusUnauthorized
		}
	}
	members := map[string]any{"error": e.code}
	if e.description != "" {
		members["error_description"] = e.description
	}
	if q.ErrorsAs200 {
		status = http.StatusOK
		members["ok"] = false
	}
	res := jsonResponse(status, members)
	if q.Body == BodyForm {
		form := url.Values{"error": {e.code}, "error_description": {e.description}}
		res = newResponse(status, "application/x-www-form-urlencoded", []byte(form.Encode()))
	}
	if status == http.StatusUnauthorized {
		res.header.Set("WWW-Authenticate", `Basic realm="token endpoint", charset="UTF-8"`)
	}
	return res
}

// write sends the response as it is.
func (res response) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), res.header)
	w.Header().Set("Content-Length", strconv.Itoa(len(res.body)))
	w.WriteHeader(res.status)
	// The client may be gone; there is nobody left to tell.
	_, _ = w.Write(res.body)
}

// writeHalf promises the whole body and sends half of it; net/http then closes the connection.
func (res response) writeHalf(w http.ResponseWriter) {
	maps.Copy(w.Header(), res.header)
	w.Header().Set("Content-Length", strconv.Itoa(len(res.body)))
	w.WriteHeader(res.status)
	_, _ = w.Write(res.body[:len(res.body)/2])
}
