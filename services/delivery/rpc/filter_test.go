package rpc_test

import (
	"testing"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
)

// TestFilterSaysWhatToQuote: what looks like one value to people but not to the grammar is named.
func TestFilterSaysWhatToQuote(t *testing.T) {
	f := newFixture(t)
	for filter, want := range map[string]string{
		"event.id = 01M81WMTD242W591Q2P2CWVF5C":                             `put the value of event.id into quotes: event.id = "01M81WMTD242W591Q2P2CWVF5C"`,
		"state = DEAD AND create_time>=2026-01-31T00:00:00Z":                `put the value of create_time into quotes: create_time >= "2026-01-31T00:00:00Z"`,
		`rule = "a = b-c" AND destination = projects/p/destinations/my-api`: `put the value of destination into quotes: destination = "projects/p/destinations/my-api"`,
		"event.id = 7":       "event.id: want a value, in quotes unless it is one plain word",
		`event.id = ""`:      "event.id: want a value, in quotes unless it is one plain word",
		"create_time > 2026": "create_time is compared with a time such as",
		"state = DEAD AND (": "want comparisons joined by AND",
		`state = "DEAD`:      "want comparisons joined by AND",
	} {
		_, err := f.api.ListDeliveries(t.Context(), &deliveryv1.ListDeliveriesRequest{Parent: parent, Filter: filter})
		requireField(t, err, errorsv1.Reason_INVALID_FILTER, "filter", want)
		_, err = f.api.RedriveDeliveries(t.Context(), &deliveryv1.RedriveDeliveriesRequest{Parent: parent, Filter: filter})
		requireField(t, err, errorsv1.Reason_INVALID_FILTER, "filter", want)
	}
}
