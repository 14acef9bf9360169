package delivery_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
	"github.com/freshet-io/freshet/services/delivery/store"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

// batched makes a rule's target send details in batches.
func batched(b delivery.Batching) func(*delivery.Rule) {
	return func(r *delivery.Rule) { r.Targets[0].InputPath, r.Targets[0].Batch = "$.detail.n", &b }
}

// elements are the elements of the requests' bodies.
func elements(t *testing.T, requests []received) (bodies [][]int) {
	t.Helper()
	for _, r := range requests {
		var list []int
		require.NoError(t, json.Unmarshal([]byte(r.Body), &list), r.Body)
		bodies = append(bodies, list)
	}
	return bodies
}

func details(from, to int) (list []string) {
	for n := from; n < to; n++ {
		list = append(list, fmt.Sprintf(`{"n":%d}`, n))
	}
	return list
}

// TestBatchedTarget: one request for several events, one attempt of each of their deliveries, under one id.
func TestBatchedTarget(t *testing.T) {
	sqltest.Each(t, store.Migrations(), func(t *testing.T, db *sqldb.DB) {
		to := newSink(t, nil)
		s := deliverytest.New(t, db, deliverytest.Options{}).Run(t)
		s.Destination(t, "shop", to.URL+"/*", nil)
		s.Rule(t, "shop", func(r *delivery.Rule) {
			batched(delivery.Batching{MaxEvents: 4, Window: 200 * time.Millisecond})(r)
			r.Targets[0].PathParameters = []string{"bulk"}
		})
		events := s.Put(t, "shop", details(0, 10)...)
		seen := map[string]int{}
		for i, event := range events {
			d := await(t, s, event, inState(delivery.Succeeded))
			require.Len(t, d.History, 1)
			require.Empty(t, d.Payload)
			seen[d.History[0].Batch]++
			require.Equal(t, []int{4, 2}[i/8], d.History[0].BatchSize)
		}
		requests := to.all()
		require.Len(t, requests, 3)
		slices.SortFunc(requests, func(a, b received) int { return strings.Compare(a.Body, b.Body) })
		require.Equal(t, [][]int{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9}}, elements(t, requests))
		for i, r := range requests {
			require.Equal(t, "/bulk", r.Path)
			require.Equal(t, []int{4, 4, 2}[i], seen[r.Header.Get("Idempotency-Key")])
			require.Empty(t, r.Header.Values("X-Freshet-Event-Id"))
			require.Equal(t, "Bearer token-1", r.Header.Get("Authorization"))
		}
	})
}

// TestBatchIsRetried: as it was, under the same id, whatever came meanwhile, and also once it went through the backlog; until it is dead,
// each delivery with its own payload. A redrive gathers anew.
func TestBatchIsRetried(t *testing.T) {
	for name, after := range map[string]time.Duration{"in memory": 2 * time.Second, "from the backlog": 8 * time.Second} {
		t.Run(name, func(t *testing.T) {
			failures := 2
			answer := func() delivery.Response {
				if failures == 0 {
					return delivery.Response{Status: 200}
				}
				failures--
				return delivery.Response{Status: 503, RetryAfter: &after}
			}
			inBubble(t, answer, func(t *testing.T, s *deliverytest.Suite, n *network) {
				sent := func() (bodies, keys []string) {
					synctest.Wait()
					for _, r := range n.requests {
						bodies, keys = append(bodies, string(r.Body)), append(keys, r.Header.Get("Idempotency-Key"))
					}
					return bodies, keys
				}
				s.Rule(t, "shop", func(r *delivery.Rule) {
					batched(delivery.Batching{})(r)
					retries(1)(r)
				})
				events := s.Put(t, "shop", details(0, 2)...)
				time.Sleep(delivery.DefaultBatchWindow + after - time.Second)
				s.Put(t, "shop", details(2, 4)...)
				time.Sleep(2 * time.Second)
				bodies, keys := sent()
				require.Equal(t, []string{"[0,1]", "[0,1]"}, bodies)
				require.Equal(t, keys[0], keys[1])
				for i, event := range events {
					d := find(t, s, event)
					require.Equal(t, delivery.RetriesExhausted, d.Condition)
					require.Equal(t, strconv.Itoa(i), d.Payload)
					require.Len(t, d.History, 2)
					require.Equal(t, keys[0], d.History[1].Batch)
				}
				restarted, err := s.Service.RedriveDeliveries(t.Context(), "p", delivery.Filter{}, 0, false)
				require.NoError(t, err)
				require.Equal(t, 2, restarted)
				time.Sleep(delivery.DefaultBatchWindow)
				bodies, _ = sent()
				require.Equal(t, []string{"[0,1,2,3]"}, bodies[2:])
			})
		})
	}
}

// TestBatchWithRejectedToken: it is renewed once for all, at no cost of an attempt.
func TestBatchWithRejectedToken(t *testing.T) {
	to := newSink(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		if r.Header.Get("Authorization") != "Bearer token-2" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	tokens := deliverytest.NewTokens()
	tokens.Bearer(deliverytest.CRM, "token-1")
	tokens.OnReject = func(connection, _ string) { tokens.Bearer(connection, "token-2") }
	s := deliverytest.New(t, sqltest.Open(t, sqldb.SQLite, store.Migrations()), deliverytest.Options{Tokens: tokens}).Run(t)
	s.Destination(t, "shop", to.URL, nil)
	s.Rule(t, "shop", func(r *delivery.Rule) {
		batched(delivery.Batching{MaxEvents: 5})(r)
		retries(0)(r)
	})
	for _, event := range s.Put(t, "shop", details(0, 5)...) {
		d := await(t, s, event, inState(delivery.Succeeded))
		require.Len(t, d.History, 2)
		require.Equal(t, 1, d.Charged)
	}
	require.Equal(t, [][]int{{0, 1, 2, 3, 4}, {0, 1, 2, 3, 4}}, elements(t, to.all()))
	require.Len(t, tokens.Rejected(), 1)
}

// TestWhatHasNoBodyLeavesItsBatch, and what is no JSON is a string in it.
func TestWhatHasNoBodyLeavesItsBatch(t *testing.T) {
	to := newSink(t, nil)
	s := newShop(t, to.URL, batched(delivery.Batching{MaxEvents: 3}), nil)
	events := s.Put(t, "shop", `{"n":1}`, `{"m":2}`, `{"n":3}`)
	dead := await(t, s, events[1], inState(delivery.Dead))
	require.Equal(t, delivery.InvalidParameter, dead.ErrorCode)
	require.Empty(t, dead.History[0].Batch)
	require.Equal(t, 2, await(t, s, events[0], inState(delivery.Succeeded)).History[0].BatchSize)
	require.Equal(t, [][]int{{1, 3}}, elements(t, to.all()))

	text := "no <JSON>\n"
	_, err := s.Service.RedriveDelivery(t.Context(), dead.ID, delivery.Edit{Body: &text})
	require.NoError(t, err)
	s.Put(t, "shop", `{"n":4}`, `{"n":5}`)
	var list []any
	require.NoError(t, json.Unmarshal([]byte(to.wait(t, 2)[1].Body), &list))
	require.ElementsMatch(t, []any{text, 4.0, 5.0}, list)
}

// TestBatchesComeOfAgeOneByOne: what is too old ends, the rest of its batch goes on.
func TestBatchesComeOfAgeOneByOne(t *testing.T) {
	var answer atomic.Int64
	answer.Store(503)
	inBubble(t, func() delivery.Response { return delivery.Response{Status: int(answer.Load())} },
		func(t *testing.T, s *deliverytest.Suite, n *network) {
			s.Rule(t, "shop", func(r *delivery.Rule) {
				batched(delivery.Batching{Window: 50 * time.Second})(r)
				r.Targets[0].Retry.MaxAge = time.Minute
			})
			old := s.Put(t, "shop", details(0, 2)...)
			time.Sleep(40 * time.Second)
			young := s.Put(t, "shop", details(2, 4)...)
			time.Sleep(9 * time.Second)
			require.Empty(t, n.times())
			time.Sleep(13 * time.Second)
			require.NotEmpty(t, n.times())
			for _, event := range old {
				d := find(t, s, event)
				require.Equal(t, delivery.Dead, d.State)
				require.Equal(t, delivery.EventAgeExhausted, d.Condition)
				require.Equal(t, 4, d.History[0].BatchSize)
			}
			answer.Store(200)
			time.Sleep(30 * time.Second)
			for _, event := range young {
				d := find(t, s, event)
				require.Equal(t, delivery.Succeeded, d.State)
				require.Equal(t, 2, d.History[len(d.History)-1].BatchSize)
			}
		})
}

// TestBatchesOutliveTheProcess: what was sent or gathered when a process died without a word is gathered anew: by order of acceptance, so
// that what was sent together goes together again, under the same id.
func TestBatchesOutliveTheProcess(t *testing.T) {
	to := newSink(t, nil)
	path := filepath.Join(t.TempDir(), "db")
	for round := range 2 {
		db, err := sqldb.OpenSQLite(t.Context(), path, sqldb.Options{})
		require.NoError(t, err)
		require.NoError(t, db.Migrate(t.Context(), store.Migrations()))
		gone := make(chan struct{})
		s := deliverytest.New(t, db, deliverytest.Options{Params: func(p *delivery.Params) {
			p.Drain = 10 * time.Millisecond
			p.Store = &failingStore{Store: p.Store, gone: gone}
		}}).Run(t)
		if round == 0 {
			s.Destination(t, "shop", to.URL, nil)
			s.Rule(t, "shop", batched(delivery.Batching{MaxEvents: 4, Window: 2 * time.Second}))
			close(gone) // nothing is recorded
			s.Put(t, "shop", details(0, 10)...)
			to.wait(t, 2)
		} else {
			require.Eventually(t, func() bool {
				list, err := s.Service.ListDeliveries(t.Context(), "p", delivery.Filter{State: delivery.Succeeded}, "", 1000)
				require.NoError(t, err)
				return len(list) == 10
			}, time.Minute, 10*time.Millisecond)
		}
		s.Stop()
		require.NoError(t, db.Close())
	}
	keys := map[string]string{}
	times := map[string]int{}
	for _, r := range to.all() {
		key := r.Header.Get("Idempotency-Key")
		times[r.Body]++
		if times[r.Body] > 1 {
			require.Equal(t, keys[r.Body], key)
		}
		keys[r.Body] = key
	}
	require.Len(t, keys, 3)
	require.Equal(t, 2, times["[0,1,2,3]"])
	require.Equal(t, 2, times["[4,5,6,7]"])
	require.Positive(t, times["[8,9]"])
}

// TestBatchedTargetsThatCannotBe are refused, with the field.
func TestBatchedTargetsThatCannotBe(t *testing.T) {
	s := newShop(t, "https://api.example", nil, nil)
	s.Destination(t, "get", "https://api.example", func(d *delivery.Destination) { d.Method = http.MethodGet })
	for _, c := range []struct {
		field  string
		change func(*delivery.Target)
	}{
		{"batch", func(x *delivery.Target) { x.Grant = "user" }},
		{"batch", func(x *delivery.Target) { x.GroupPath = "$.detail.g" }},
		{"batch", func(x *delivery.Target) { x.Destination = "get" }},
		{"batch.max_window", func(x *delivery.Target) { x.Batch.Window, x.Retry.MaxAge = time.Minute, time.Minute }},
		{"path_parameter_values[0]", func(x *delivery.Target) { x.PathParameters = []string{"$.id"} }},
		{`header_parameters["X-A"]`, func(x *delivery.Target) { x.Headers = map[string]string{"X-A": "$.id"} }},
		{`query_string_parameters["a"]`, func(x *delivery.Target) { x.QueryParameters = map[string]string{"a": "$.id"} }},
	} {
		r := delivery.Rule{
			Name:         delivery.RuleName{Project: "p", Bus: delivery.DefaultBus, Rule: "bad"},
			EventPattern: `{"source":["x"]}`, Targets: []delivery.Target{{ID: "t", Destination: "shop", Batch: &delivery.Batching{}}},
		}
		c.change(&r.Targets[0])
		_, err := s.Service.CreateRule(t.Context(), r, delivery.Write{})
		var bad *delivery.InvalidError
		require.ErrorAs(t, err, &bad, c.field)
		require.Equal(t, "rule.targets[0]."+c.field, bad.Violations[0].Field)
	}
	s.Rule(t, "shop2", func(r *delivery.Rule) {
		r.Targets[0].Destination, r.Targets[0].Batch = "shop", &delivery.Batching{}
	})
	_, err := s.Service.UpdateDestination(t.Context(), delivery.DestinationName{Project: "p", Destination: "shop"}, delivery.Write{},
		func(d *delivery.Destination) error { d.Method = http.MethodGet; return nil })
	var bad *delivery.InvalidError
	require.ErrorAs(t, err, &bad)
	require.Equal(t, "destination.http_method", bad.Violations[0].Field)
}
