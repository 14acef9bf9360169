package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// rest calls the REST face with nothing but HTTP and JSON.
type rest struct {
	base, key string
	http      *http.Client
	// seen gets the text of every answer that is not meant to hold a credential; nil: nobody does.
	seen io.Writer
}

func newREST(t testing.TB, w World) *rest {
	t.Helper()
	return &rest{base: w.REST(), key: key(t, w), http: httpClient(t, w)}
}

// answer is a whole answer.
type answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// call makes one call. A body that is no string is sent as JSON.
func (r *rest) call(t testing.TB, method, path string, body any) answer {
	t.Helper()
	out, err := r.try(t.Context(), method, path, body)
	require.NoError(t, err)
	return out
}

// try is call for when the server may be gone.
func (r *rest) try(ctx context.Context, method, path string, body any) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answered, err := r.open(ctx, method, path, body, nil)
	if err != nil {
		return answer{}, err
	}
	defer answered.Body.Close()
	out := answer{Status: answered.StatusCode, Header: answered.Header}
	if out.Body, err = io.ReadAll(answered.Body); err != nil {
		return answer{}, err
	}
	if r.seen != nil {
		_, _ = r.seen.Write(append(bytes.Clone(out.Body), '\n'))
	}
	return out, nil
}

// open makes a call and leaves the answer's body to the caller.
func (r *rest) open(ctx context.Context, method, path string, body any, header http.Header) (*http.Response, error) {
	var text []byte
	switch body := body.(type) {
	case nil:
	case string:
		text = []byte(body)
	default:
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, header)
	if r.key != "" {
		req.Header.Set("Authorization", "Bearer "+r.key)
	}
	return r.http.Do(req)
}

// ok makes a call that must succeed and reads its answer into out, unless that is nil.
func (r *rest) ok(t testing.TB, method, path string, body, out any) {
	t.Helper()
	a := r.call(t, method, path, body)
	require.Equal(t, http.StatusOK, a.Status, "%s %s: %s", method, path, a.Body)
	require.Equal(t, "application/json", a.Header.Get("Content-Type"))
	if out != nil {
		require.NoError(t, json.Unmarshal(a.Body, out), "%s", a.Body)
	}
}

// problem makes a call that must fail and returns what is said about it.
func (r *rest) problem(t testing.TB, method, path string, body any, status int, reason string) problem {
	t.Helper()
	a := r.call(t, method, path, body)
	require.Equal(t, status, a.Status, "%s %s: %s", method, path, a.Body)
	require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"))
	var p problem
	require.NoError(t, json.Unmarshal(a.Body, &p), "%s", a.Body)
	require.Equal(t, reason, p.Reason, "%s", a.Body)
	require.Equal(t, "urn:freshet:reason:"+reason, p.Type)
	require.Equal(t, status, p.Status)
	require.NotEmpty(t, p.Title)
	return p
}

// The shapes of the REST face, as its users know them; deliberately not those of the generated code.
type (
	problem struct {
		Type, Title, Detail, Reason, TraceID string
		Status                               int
		Errors                               []struct{ Field, Description string }
	}
	connection struct {
		Name, UID, Description, State, StateReason, StateMessage, Etag string
	}
	token struct {
		Name, State, StateReason, StateMessage, AccessToken, TokenType, ExpirySource, Fingerprint string

		Generation                             int64 `json:",string"`
		Scopes                                 []string
		IssueTime, ExpireTime, NextRefreshTime time.Time
		RefreshHealth                          struct{ Status, LastFailureClass, LastFailureMessage string }
		Credential                             struct{ Headers, Query, Body []field }
	}
	field    struct{ Key, Value string }
	rotation struct {
		Name, State, Trigger, FailureClass, FailureMessage, TraceID, LeadTime string

		Generation int64 `json:",string"`
	}
	destination struct{ Name, State string }
	putResult   struct {
		FailedEntryCount int
		Entries          []struct{ EventID, ErrorCode, ErrorMessage string }
	}
	delivery struct {
		Name, State, Rule, Target, Destination, ErrorCode, ErrorMessage, ExhaustedRetryCondition, Payload string

		AttemptCount, RetryCount, RedriveCount int
		Event                                  struct{ ID, Source, DetailType, Detail string }
		Attempts                               []attempt
	}
	attempt struct {
		Number, StatusCode                                 int
		TokenGeneration                                    int64 `json:",string"`
		ErrorClass, ErrorMessage, ResponseExcerpt, TraceID string
	}
)
