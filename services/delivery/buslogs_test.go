package delivery_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/buslog"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
	"github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// steps returns the bus log's records of an event, in order.
func (l *lines) steps(t *testing.T, event string) (steps []string) {
	t.Helper()
	for line := range strings.Lines(l.String()) {
		var r struct {
			Type  string `json:"message_type"`
			Event string `json:"event_id"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		if r.Event == event {
			steps = append(steps, r.Type)
		}
	}
	return steps
}

func newLogged(t *testing.T) (*deliverytest.Suite, *lines, func(buslog.Config)) {
	log := &lines{}
	s := deliverytest.New(t, sqltest.Open(t, sqldb.SQLite, store.Migrations()), deliverytest.Options{Params: func(p *delivery.Params) {
		p.Logger = slog.New(slog.NewJSONHandler(log, nil))
	}}).Run(t)
	to := newSink(t, func(w http.ResponseWriter, r *http.Request, n int) {
		if r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte("the answer; you sent " + r.Header.Get("Authorization")))
		} else if n == 1 {
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	for _, name := range []string{"good", "bad"} {
		s.Destination(t, name, to.URL+"/"+name, nil)
		s.Rule(t, name, nil)
	}
	return s, log, func(c buslog.Config) {
		_, err := s.Service.UpdateBus(t.Context(), deliverytest.Default, delivery.Write{}, func(b *delivery.Bus) error {
			b.Settings.Log = c
			return nil
		})
		require.NoError(t, err)
	}
}

// TestBusLog: every step is written at TRACE, with content if it is asked for, and never a credential.
func TestBusLog(t *testing.T) {
	s, log, configure := newLogged(t)
	configure(buslog.Config{Level: buslog.Trace, Detail: buslog.FullDetail})
	good := s.Put(t, "good", `{"in":"side"}`)[0]
	await(t, s, good, inState(delivery.Succeeded))
	bad := s.Put(t, "bad", `{}`)[0]
	await(t, s, bad, inState(delivery.Dead))
	nowhere := s.Put(t, "nowhere", `{}`)[0]
	results, err := s.Service.PutEvents(t.Context(), deliverytest.Default, []delivery.Entry{{Source: "good", DetailType: "T", Detail: "no"}}, false)
	require.NoError(t, err)
	require.Equal(t, delivery.CodeMalformedDetail, results[0].Code)
	s.Stop()

	received := []string{"EVENT_RECEIPT", "EVENT_INGEST_SUCCESS", "RULE_MATCH_START"}
	require.Equal(t, slices.Concat(received, []string{
		"RULE_MATCH", "INVOCATION_START", "INVOCATION_ATTEMPT_START", "INVOCATION_ATTEMPT_THROTTLE", "INVOCATION_ATTEMPT_START",
		"INVOCATION_ATTEMPT_SUCCESS", "INVOCATION_SUCCESS",
	}), log.steps(t, good))
	require.Equal(t, slices.Concat(received, []string{
		"RULE_MATCH", "INVOCATION_START", "INVOCATION_ATTEMPT_START", "INVOCATION_ATTEMPT_PERMANENT_FAILURE", "INVOCATION_FAILURE",
		"INVOCATION_DLQ",
	}), log.steps(t, bad))
	require.Equal(t, append(received, "NO_RULES_MATCHED"), log.steps(t, nowhere))
	require.Equal(t, []string{"EVENT_INGEST_FAILURE"}, log.steps(t, ""))
	require.Contains(t, log.String(), `"event_detail":"{\"in\":\"side\"}"`)
	require.Contains(t, log.String(), "the answer; you sent")
	require.NotContains(t, log.String(), "token-1")
}

// TestBusLogSparing: only failures at ERROR, without content unless it is asked for, and nothing at OFF.
func TestBusLogSparing(t *testing.T) {
	s, log, configure := newLogged(t)
	silent := s.Put(t, "bad", `{"in":"side"}`)[0]
	await(t, s, silent, inState(delivery.Dead))
	require.Empty(t, log.String())
	configure(buslog.Config{Level: buslog.Error})
	bad := s.Put(t, "bad", `{"in":"side"}`)[0]
	await(t, s, bad, inState(delivery.Dead))
	s.Stop()
	require.Equal(t, []string{"INVOCATION_ATTEMPT_PERMANENT_FAILURE", "INVOCATION_FAILURE", "INVOCATION_DLQ"}, log.steps(t, bad))
	require.NotContains(t, log.String(), "side")
	require.NotContains(t, log.String(), "the answer")
}

// TestBusLogOfWaiting: what the rate of its destination held back says since when it was due.
func TestBusLogOfWaiting(t *testing.T) {
	s, log, configure := newLogged(t)
	configure(buslog.Config{Level: buslog.Info})
	s.Destination(t, "slow", "http://127.0.0.1:1/", func(d *delivery.Destination) { d.RateLimit = 1 })
	s.Rule(t, "slow", func(r *delivery.Rule) { r.Targets[0].Retry.Retries = new(int) })
	ids := s.Put(t, "slow", `{}`, `{}`, `{}`)
	require.Eventually(t, func() bool {
		return slices.Contains(log.steps(t, ids[2]), "INVOCATION_FAILURE")
	}, time.Minute, 10*time.Millisecond)
	s.Stop()
	require.Contains(t, log.steps(t, ids[2]), "INVOCATION_THROTTLE_START")
	require.NotContains(t, log.steps(t, ids[0]), "INVOCATION_THROTTLE_START")
}
