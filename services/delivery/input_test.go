package delivery_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
)

// TestInputs: a constant, and what a template makes of the event.
func TestInputs(t *testing.T) {
	to := newSink(t, nil)
	s := newShop(t, to.URL, func(r *delivery.Rule) { r.Targets[0].Input = `{ "fixed": 1.0 }` }, nil)
	s.Destination(t, "templated", to.URL, nil)
	s.Rule(t, "templated", func(r *delivery.Rule) {
		r.Targets[0].Transformer = &delivery.Transformer{
			Paths:    map[string]string{"id": "$.detail.id", "n": "$.detail.n", "none": "$.detail.none"},
			Template: `{"order":<id>,"text":"order <id> by <aws.events.rule-name> of <freshet.rule>","n":<n>,"none":<none>}`,
		}
	})
	s.Put(t, "shop", `{"id":"7"}`)
	require.Equal(t, `{ "fixed": 1.0 }`, to.wait(t, 1)[0].Body)
	s.Put(t, "templated", `{"id":"7","n":1.50}`)
	require.Equal(t, `{"order":"7","text":"order 7 by templated of projects/p/buses/default/rules/templated","n":1.50,"none":""}`, to.wait(t, 2)[1].Body)
}

// TestTemplateThatGivesNoJSON: the delivery ends at once with what would have been sent; nothing is sent.
func TestTemplateThatGivesNoJSON(t *testing.T) {
	to := newSink(t, nil)
	s := newShop(t, to.URL, func(r *delivery.Rule) {
		r.Targets[0].Transformer = &delivery.Transformer{Paths: map[string]string{"o": "$.detail.o"}, Template: `{"a":"<o>"}`}
	}, nil)
	d := await(t, s, s.Put(t, "shop", `{"o":{"x":1}}`)[0], inState(delivery.Dead))
	require.Equal(t, delivery.InvalidJSON, d.ErrorCode)
	require.Equal(t, delivery.NotExhausted, d.Condition)
	require.Equal(t, `{"a":"{"x":1}"}`, d.Payload)
	require.Equal(t, delivery.InvalidRequest, d.History[0].Class)
	require.Empty(t, to.all())
}

// TestDeadLetters: what is given up is kept, kept without its payload, or told to a bus; what tells of that tells nobody when it fails.
func TestDeadLetters(t *testing.T) {
	fails := newSink(t, func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusInternalServerError) })
	to := newSink(t, nil)
	s := newShop(t, fails.URL, nil, nil)
	_, err := s.Service.CreateBus(t.Context(), delivery.Bus{Name: delivery.BusName{Project: "p", Bus: "dead"}}, delivery.Write{})
	require.NoError(t, err)
	none, id := 0, delivery.RuleName{Project: "p", Bus: delivery.DefaultBus, Rule: "shop"}
	_, err = s.Service.UpdateRule(t.Context(), id, delivery.Write{}, func(r *delivery.Rule) error {
		kept := r.Targets[0]
		kept.Retry.Retries, kept.InputPath = &none, "$.detail"
		discarded, told := kept, kept
		discarded.ID, discarded.DeadLetter.Action = "discarded", delivery.DiscardDead
		told.ID, told.DeadLetter = "told", delivery.DeadLetter{Action: delivery.PutDead, Bus: "dead"}
		r.Targets = []delivery.Target{kept, discarded, told}
		return nil
	})
	require.NoError(t, err)
	s.Destination(t, "told", to.URL, nil)
	s.Destination(t, "failing", fails.URL, nil)
	_, err = s.Service.CreateRule(t.Context(), delivery.Rule{
		Name: delivery.RuleName{Project: "p", Bus: "dead", Rule: "told"}, EventPattern: `{"source":["freshet.delivery"]}`,
		Targets: []delivery.Target{
			{ID: "t", Destination: "told"},
			{ID: "loop", Destination: "failing", Retry: delivery.RetryPolicy{Retries: &none}, DeadLetter: delivery.DeadLetter{Action: delivery.PutDead, Bus: "dead"}},
		},
	}, delivery.Write{})
	require.NoError(t, err)

	event := s.Put(t, "shop", `{"a": 1.0}`)[0]
	var got struct {
		DetailType string `json:"detail-type"`
		Detail     struct {
			Delivery, Destination, EventID, Payload string
			Attributes                              map[string]string
			Event                                   struct{ ID string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(to.wait(t, 1)[0].Body), &got))
	require.Equal(t, "Delivery Dead", got.DetailType)
	rule := "projects/p/buses/default/rules/shop"
	require.Equal(t, event, got.Detail.EventID)
	require.Equal(t, event, got.Detail.Event.ID)
	require.Equal(t, `{"a": 1.0}`, got.Detail.Payload)
	require.Contains(t, got.Detail.Attributes["ERROR_MESSAGE"], "500")
	delete(got.Detail.Attributes, "ERROR_MESSAGE")
	require.Equal(t, map[string]string{
		"RULE_ARN": rule, "TARGET_ARN": rule + "/targets/told", "ERROR_CODE": "ERROR_FROM_TARGET",
		"EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts", "RETRY_ATTEMPTS": "0",
	}, got.Detail.Attributes)

	payloads := map[string]string{}
	require.Eventually(t, func() bool {
		dead, err := s.Service.ListDeliveries(t.Context(), "p", delivery.Filter{State: delivery.Dead}, "", 10)
		require.NoError(t, err)
		for _, d := range dead {
			d, err = s.Service.GetDelivery(t.Context(), d.ID)
			require.NoError(t, err)
			payloads[d.Target.ID] = d.Payload
		}
		return len(dead) == 4
	}, time.Minute, 5*time.Millisecond)
	require.Contains(t, payloads["loop"], event)
	delete(payloads, "loop")
	require.Equal(t, map[string]string{"t": `{"a": 1.0}`, "discarded": "", "told": `{"a": 1.0}`}, payloads)
	require.Len(t, to.all(), 1)
}
