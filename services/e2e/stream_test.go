package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// watch is an open token:watch.
type watch struct {
	lines  *bufio.Scanner
	body   io.Closer
	prefix string // of a message's line
}

// message is one message of a watch: a token, or the error that ends it.
type message struct {
	Token   token
	Problem *problem
	Arrived time.Time
}

// watchToken opens a watch as NDJSON, or as server-sent events. It ends with ctx.
func (r *rest) watchToken(ctx context.Context, t testing.TB, path string, events bool) *watch {
	t.Helper()
	header, contentType, w := http.Header{}, "application/x-ndjson", &watch{}
	if events {
		contentType, w.prefix = "text/event-stream", "data: "
		header.Set("Accept", contentType)
	}
	answered, err := r.open(ctx, http.MethodGet, path+":watch", nil, header)
	require.NoError(t, err)
	w.body = answered.Body
	t.Cleanup(func() { require.NoError(t, w.body.Close()) })
	require.Equal(t, http.StatusOK, answered.StatusCode)
	require.Equal(t, contentType, answered.Header.Get("Content-Type"))
	w.lines = bufio.NewScanner(answered.Body)
	w.lines.Buffer(nil, 1<<20)
	return w
}

// next returns the next message that is no heartbeat; io.EOF after the last.
func (w *watch) next() (message, error) {
	for w.lines.Scan() {
		line, ok := strings.CutPrefix(w.lines.Text(), w.prefix)
		if !ok || line == "" { // the empty line between events
			continue
		}
		var m struct {
			Result struct {
				Token     token
				Heartbeat bool
			}
			Error *problem
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			return message{}, err
		}
		if !m.Result.Heartbeat {
			return message{Token: m.Result.Token, Problem: m.Error, Arrived: time.Now()}, nil
		}
	}
	if err := w.lines.Err(); err != nil {
		return message{}, err
	}
	return message{}, io.EOF
}

// until reads messages up to the first that satisfies want.
func (w *watch) until(t testing.TB, want func(token) bool) message {
	t.Helper()
	for {
		m, err := w.next()
		require.NoError(t, err)
		require.Nil(t, m.Problem)
		if want(m.Token) {
			return m
		}
	}
}

// generation is a condition of until.
func generation(least int64) func(token) bool {
	return func(tok token) bool { return tok.State == "AUTHORIZED" && tok.Generation >= least }
}
