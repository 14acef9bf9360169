package resourceapi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/demo/resourceapi"
)

func basicCall(a *resourceapi.API, user, password string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/basic/7", nil)
	r.SetBasicAuth(user, password)
	rec := httptest.NewRecorder()
	a.Handler().ServeHTTP(rec, r)
	return rec
}

func TestBasicPasswordsCanChange(t *testing.T) {
	a := newAPI(t, resourceapi.Config{BasicUsers: map[string]string{"ann": "one"}})
	require.Equal(t, http.StatusOK, basicCall(a, "ann", "one").Code)
	require.Equal(t, http.StatusUnauthorized, basicCall(a, "bob", "one").Code)

	a.SetBasic("ann", "one", "two")
	require.Equal(t, http.StatusOK, basicCall(a, "ann", "one").Code)
	require.Equal(t, http.StatusOK, basicCall(a, "ann", "two").Code)

	a.SetBasic("ann", "two")
	rec := basicCall(a, "ann", "one")
	require.Equal(t, http.StatusUnauthorized, rec.Code)
	require.Equal(t, `Basic realm="orders", charset="UTF-8"`, rec.Header().Get("WWW-Authenticate"))
	require.Equal(t, http.StatusUnauthorized, call(a, http.MethodPost, "/basic/7", "", "Authorization", "Bearer x").Code)
	require.Equal(t, map[resourceapi.Cause]int{resourceapi.CauseCredentials: 2, resourceapi.CauseMissing: 1}, a.Stats().Refused)
	require.Equal(t, map[string]int{"7": 3}, a.Delivered())

	a.SetBasic("ann")
	require.Equal(t, http.StatusUnauthorized, basicCall(a, "ann", "two").Code)
}

func TestAPIKeysCanChange(t *testing.T) {
	a := newAPI(t, resourceapi.Config{APIKeys: map[string]string{"x-api-key": "key-one"}})
	with := func(values ...string) int {
		var header []string
		for _, value := range values {
			header = append(header, "X-API-Key", value)
		}
		return call(a, http.MethodPost, "/apikey/7", "", header...).Code
	}
	require.Equal(t, http.StatusOK, with("key-one"))
	require.Equal(t, http.StatusUnauthorized, with())
	require.Equal(t, http.StatusUnauthorized, with("key-one", "key-one"))
	a.SetAPIKey("X-Api-Key", "key-one", "key-two")
	require.Equal(t, http.StatusOK, with("key-one"))
	require.Equal(t, http.StatusOK, with("key-two"))
	a.SetAPIKey("x-api-key", "key-two")
	require.Equal(t, http.StatusUnauthorized, with("key-one"))
	a.SetAPIKey("x-api-key")
	require.Equal(t, http.StatusUnauthorized, with("key-two"))

	record := fmt.Sprint(a.Received())
	require.NotContains(t, record, "key-one")
	require.NotContains(t, record, "key-two")
	require.Contains(t, record, resourceapi.Fingerprint("key-two"))
}

func TestDeliveriesAreCountedByID(t *testing.T) {
	a := newAPI(t, resourceapi.Config{IDHeader: "X-Event-Id", IDField: "event"})
	for _, tc := range []struct{ target, header, body, want string }{
		{"/flaky?fail=0", "h1", `{"event":"b1"}`, "h1"},
		{"/flaky?fail=0", "", `{"event":"b1"}`, "b1"},
		{"/flaky?fail=0", "", `{"event":17}`, "17"},
		{"/flaky?fail=0", "", `{"event":null}`, ""},
		{"/flaky?fail=0", "", `not JSON`, ""},
		{"/orders/o1", "", `{}`, "o1"},
	} {
		var header []string
		if tc.header != "" {
			header = []string{"X-Event-Id", tc.header}
		}
		call(a, http.MethodPost, tc.target, tc.body, header...)
		received := a.Received()
		require.Equal(t, tc.want, received[len(received)-1].ID)
	}
	require.Equal(t, map[string]int{"h1": 1, "b1": 1, "17": 1}, a.Delivered(), "refused calls and calls without id do not count")
}

func TestHistoryIsBoundedAndIDsAreNot(t *testing.T) {
	a := newAPI(t, resourceapi.Config{History: 3})
	for i := range 20 {
		call(a, http.MethodPost, "/status/200", "", "Idempotency-Key", fmt.Sprint(i))
		received := a.Received()
		require.Len(t, received, min(i+1, 3))
		require.Equal(t, fmt.Sprint(i), received[len(received)-1].ID)
	}
	require.Len(t, a.Delivered(), 20)
}

func TestStatusPath(t *testing.T) {
	a := newAPI(t, resourceapi.Config{})
	rec := call(a, http.MethodPost, "/status/429?retry_after=7", "")
	require.Equal(t, http.StatusTooManyRequests, rec.Code)
	require.Equal(t, "7", rec.Header().Get("Retry-After"))
	require.Equal(t, http.StatusTooManyRequests, call(a, http.MethodPost, "/status/429?retry_after=7", "").Code)
	rec = call(a, http.MethodPost, "/status/302?location=https%3A%2F%2Felsewhere.example%2F", "")
	require.Equal(t, http.StatusFound, rec.Code)
	require.Equal(t, "https://elsewhere.example/", rec.Header().Get("Location"))

	codes := func(target, id string, n int) (all []int) {
		for range n {
			all = append(all, call(a, http.MethodPost, target, "", "Idempotency-Key", id).Code)
		}
		return all
	}
	require.Equal(t, []int{503, 503, 200}, codes("/status/503?n=2", "e1", 3))
	require.Equal(t, []int{503, 503, 200}, codes("/status/503?n=2", "e2", 3), "each delivery is counted by itself")
	require.Equal(t, []int{503}, codes("/status/503?n=2&test=other", "e1", 1))
	require.Equal(t, []int{503, 200, 200}, codes("/flaky?fail=1", "e1", 3))
	require.Equal(t, 3, a.Delivered()["e1"])
}

func TestFaultPathsRefuseWhatTheyCannotDo(t *testing.T) {
	a := newAPI(t, resourceapi.Config{})
	for _, target := range []string{"/status/99", "/status/600", "/status/x", "/status/500?n=x", "/status/500?n=-1", "/flaky", "/flaky?fail=-1", "/slow", "/slow?d=-1s"} {
		rec := call(a, http.MethodGet, target, "")
		require.Equal(t, http.StatusBadRequest, rec.Code, target)
		require.Contains(t, rec.Body.String(), "must be", target)
	}
	require.Equal(t, map[resourceapi.Cause]int{resourceapi.CauseParameter: 9}, a.Stats().Refused)
}

func TestSlowPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, resourceapi.Config{})
		start := time.Now()
		require.Equal(t, http.StatusOK, call(a, http.MethodPost, "/slow?d=90s", "").Code)
		require.Equal(t, 90*time.Second, time.Since(start))

		ctx, cancel := context.WithCancel(t.Context())
		arrived := a.Changed()
		done := make(chan struct{})
		go func() {
			defer close(done)
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/slow?d=90s", nil)
			a.Handler().ServeHTTP(httptest.NewRecorder(), r)
		}()
		<-arrived
		require.Equal(t, 1, a.Stats().InFlight)
		answered := a.Changed()
		cancel()
		<-answered
		<-done
		require.Zero(t, a.Stats().InFlight)
		require.Zero(t, a.Received()[1].Status)
		require.Equal(t, 1, a.Stats().Accepted)
	})
}

func TestBodiesAreBounded(t *testing.T) {
	a := newAPI(t, resourceapi.Config{})
	require.Equal(t, http.StatusRequestEntityTooLarge, call(a, http.MethodPost, "/status/200", strings.Repeat("x", 1<<20+1)).Code)
	require.Equal(t, http.StatusOK, call(a, http.MethodPost, "/status/200", strings.Repeat("x", 1<<20)).Code)
}

func TestNewRefusesAnUnusableConfig(t *testing.T) {
	for name, cfg := range map[string]resourceapi.Config{
		"negative history":  {History: -1},
		"empty user":        {BasicUsers: map[string]string{"": "x"}},
		"empty password":    {BasicUsers: map[string]string{"ann": ""}},
		"empty header":      {APIKeys: map[string]string{"": "x"}},
		"empty key":         {APIKeys: map[string]string{"X-Api-Key": ""}},
		"key in credential": {APIKeys: map[string]string{"authorization": "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := resourceapi.New(cfg)
			require.ErrorIs(t, err, resourceapi.ErrInvalidConfig)
		})
	}
}
