package delivery_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
	"github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// newShop is a running service with a destination and a rule "shop".
func newShop(t *testing.T, url string, rule func(*delivery.Rule), destination func(*delivery.Destination)) *deliverytest.Suite {
	t.Helper()
	s := deliverytest.New(t, sqltest.Open(t, sqldb.SQLite, store.Migrations()), deliverytest.Options{}).Run(t)
	s.Destination(t, "shop", url, destination)
	s.Rule(t, "shop", rule)
	return s
}

func retries(n int) func(*delivery.Rule) {
	return func(r *delivery.Rule) { r.Targets[0].Retry.Retries = &n }
}

func TestRetriesUntilSuccess(t *testing.T) {
	to := newSink(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n < 3 {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "oh no")
		}
	})
	s := newShop(t, to.URL, nil, nil)
	event := s.Put(t, "shop", `{"a":1}`)[0]
	got := to.wait(t, 3)
	d := await(t, s, event, inState(delivery.Succeeded))
	require.Len(t, d.History, 3)
	require.Equal(t, 2, d.Retries())
	require.Equal(t, delivery.RetryableStatus, d.History[0].Class)
	require.Equal(t, "oh no", d.History[0].Excerpt)
	require.Contains(t, d.History[0].Message, "500 Internal Server Error: oh no")
	require.Equal(t, delivery.NoFailure, d.History[2].Class)
	require.Equal(t, delivery.NoError, d.ErrorCode)
	for _, r := range got {
		require.Equal(t, d.ID.Delivery, r.Header.Get("Idempotency-Key"), "the same in every attempt")
		require.Equal(t, got[0].Body, r.Body)
	}
}

func TestPermanentFailures(t *testing.T) {
	for _, status := range []int{400, 403, 404, 408, 425, 301, 307} {
		to := newSink(t, func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(status) })
		s := newShop(t, to.URL, func(r *delivery.Rule) { r.Targets[0].InputPath = "$.detail" }, nil)
		d := await(t, s, s.Put(t, "shop", `{"a": 1.0}`)[0], inState(delivery.Dead))
		require.Equal(t, delivery.ErrorFromTarget, d.ErrorCode)
		require.Equal(t, delivery.NotExhausted, d.Condition)
		require.Equal(t, `{"a": 1.0}`, d.Payload)
		require.Len(t, d.History, 1)
		require.Equal(t, delivery.PermanentStatus, d.History[0].Class)
		s.Stop()
	}
}

func TestRetriesAreExhausted(t *testing.T) {
	for status, code := range map[int]delivery.ErrorCode{
		500: delivery.ErrorFromTarget, 429: delivery.Throttling, 409: delivery.ErrorFromTarget,
	} {
		to := newSink(t, func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(status) })
		s := newShop(t, to.URL, retries(1), nil)
		d := await(t, s, s.Put(t, "shop", `{}`)[0], inState(delivery.Dead))
		require.Equal(t, code, d.ErrorCode)
		require.Equal(t, delivery.RetriesExhausted, d.Condition)
		require.Len(t, d.History, 2)
		require.Equal(t, 1, d.Retries())
		s.Stop()
	}
}

func TestTransportFailuresAreRetried(t *testing.T) {
	t.Run("timeout", func(t *testing.T) {
		block := make(chan struct{})
		to := newSink(t, func(_ http.ResponseWriter, _ *http.Request, _ int) { <-block })
		t.Cleanup(func() { close(block) })
		s := newShop(t, to.URL, retries(0), func(d *delivery.Destination) { d.Timeout = time.Second })
		d := await(t, s, s.Put(t, "shop", `{}`)[0], inState(delivery.Dead))
		require.Equal(t, delivery.Timeout, d.ErrorCode)
		require.Equal(t, delivery.RetriesExhausted, d.Condition)
		require.Equal(t, delivery.TimedOut, d.History[0].Class)
		require.GreaterOrEqual(t, d.History[0].Duration, time.Second)
	})
	t.Run("no connection", func(t *testing.T) {
		s := newShop(t, "http://127.0.0.1:1", retries(0), nil)
		d := await(t, s, s.Put(t, "shop", `{}`)[0], inState(delivery.Dead))
		require.Equal(t, delivery.ConnectionFailure, d.ErrorCode)
	})
	t.Run("denied", func(t *testing.T) {
		s := newShop(t, "http://10.1.2.3", nil, nil)
		d := await(t, s, s.Put(t, "shop", `{}`)[0], inState(delivery.Dead))
		require.Equal(t, delivery.EgressDenied, d.ErrorCode)
		require.Equal(t, delivery.NotExhausted, d.Condition)
	})
}

func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		header func() string
		least  time.Duration
	}{
		{func() string { return "2" }, 2 * time.Second},
		{func() string { return "0" }, 0},
		{func() string { return time.Now().Add(3 * time.Second).UTC().Format(http.TimeFormat) }, 1900 * time.Millisecond},
	} {
		to := newSink(t, func(w http.ResponseWriter, _ *http.Request, n int) {
			if n == 1 {
				w.Header().Set("Retry-After", c.header())
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})
		s := newShop(t, to.URL, nil, nil)
		d := await(t, s, s.Put(t, "shop", `{}`)[0], inState(delivery.Succeeded))
		got := to.all()
		require.GreaterOrEqual(t, got[1].At.Sub(got[0].At), c.least)
		require.NotNil(t, d.History[0].RetryAfter)
		s.Stop()
	}
	t.Run("negative", func(t *testing.T) {
		to := newSink(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Retry-After", "-1")
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		s := newShop(t, to.URL, nil, nil)
		d := await(t, s, s.Put(t, "shop", `{}`)[0], inState(delivery.Dead))
		require.Len(t, d.History, 1)
		require.Equal(t, delivery.NotExhausted, d.Condition)
	})
	t.Run("beyond the maximum age", func(t *testing.T) {
		to := newSink(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		s := newShop(t, to.URL, func(r *delivery.Rule) { r.Targets[0].Retry.MaxAge = time.Minute }, nil)
		d := await(t, s, s.Put(t, "shop", `{}`)[0], inState(delivery.Dead))
		require.Equal(t, delivery.EventAgeExhausted, d.Condition)
		require.Equal(t, delivery.ErrorFromTarget, d.ErrorCode)
	})
}

func TestRequestsThatCannotBeBuilt(t *testing.T) {
	to := newSink(t, nil)
	s := newShop(t, to.URL+"/*", func(r *delivery.Rule) {
		r.Targets[0].PathParameters = []string{"$.detail.id"}
		r.Targets[0].Headers = map[string]string{"X-H": "$.detail.h"}
		r.Targets[0].InputPath = "$.detail.body"
	}, nil)
	for detail, says := range map[string]string{
		`{"id":"..","body":1}`:                `"." or ".."`,
		`{"id":"1","body":1,"h":"a\r\nB: c"}`: "header X-H has control characters",
		`{"id":"1"}`:                          "input path $.detail.body",
	} {
		d := await(t, s, s.Put(t, "shop", detail)[0], inState(delivery.Dead))
		require.Equal(t, delivery.InvalidParameter, d.ErrorCode)
		require.Contains(t, d.ErrorMessage, says)
		require.Equal(t, delivery.InvalidRequest, d.History[0].Class)
	}
	require.Empty(t, to.all())
	await(t, s, s.Put(t, "shop", `{"body":"text"}`)[0], inState(delivery.Succeeded))
	require.Equal(t, "/", to.all()[0].Path)
	require.Equal(t, `"text"`, to.all()[0].Body)
}

func TestMethodsWithoutBody(t *testing.T) {
	to := newSink(t, nil)
	s := newShop(t, to.URL, nil, func(d *delivery.Destination) { d.Method = "GET" })
	await(t, s, s.Put(t, "shop", `{}`)[0], inState(delivery.Succeeded))
	require.Empty(t, to.all()[0].Body)
	require.Empty(t, to.all()[0].Header.Get("Content-Type"))
}

// TestLongMessages makes sure that whatever a destination says fits.
func TestLongMessages(t *testing.T) {
	to := newSink(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, strings.Repeat("é\x00", 5000))
	})
	s := newShop(t, to.URL, nil, nil)
	d := await(t, s, s.Put(t, "shop", `{}`)[0], inState(delivery.Dead))
	require.LessOrEqual(t, len([]rune(d.ErrorMessage)), 1024)
	require.LessOrEqual(t, len(d.History[0].Excerpt), 1024)
}
