package delivery_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/deliverytest"
)

// TestRedriveEdited: elsewhere, with another body, or with a changed one; and what cannot be.
func TestRedriveEdited(t *testing.T) {
	status := http.StatusBadRequest
	answer := func() delivery.Response { return delivery.Response{Status: status} }
	inBubble(t, answer, func(t *testing.T, s *deliverytest.Suite, _ *network) {
		ctx := t.Context()
		s.Destination(t, "spare", "https://spare.example", nil)
		s.Destination(t, "other", "https://other.example/*", nil)
		s.Rule(t, "shop", func(r *delivery.Rule) { r.Targets[0].InputPath = "$.detail" })
		event := s.Put(t, "shop", `{ "n": 1.50, "x": {"y": 1} }`)[0]
		time.Sleep(time.Second)
		id := find(t, s, event).ID
		text, large := "plain text", `{"n":"`+strings.Repeat("x", delivery.MaxRequestBytes)+`"}`
		for says, edit := range map[string]delivery.Edit{
			"merge_patch: must not":       {Body: &text, MergePatch: `{}`},
			"merge_patch: must be":        {MergePatch: `[1]`},
			"merge_patch: makes the body": {MergePatch: large},
			"destination: does not fit":   {Destination: "other"},
			"no such destination":         {Destination: "none"},
		} {
			_, err := s.Service.RedriveDelivery(ctx, id, edit)
			require.ErrorContains(t, err, says)
		}
		redrive := func(edit delivery.Edit) delivery.Delivery {
			t.Helper()
			_, err := s.Service.RedriveDelivery(ctx, id, edit)
			require.NoError(t, err)
			time.Sleep(time.Second)
			d, err := s.Service.GetDelivery(ctx, id)
			require.NoError(t, err)
			return d
		}
		d := redrive(delivery.Edit{MergePatch: `{"x": {"y": null, "z": 2}}`})
		require.Equal(t, `{"n":1.50,"x":{"z":2}}`, d.Payload)
		d = redrive(delivery.Edit{MergePatch: `{"n": null}`})
		require.Equal(t, `{"x":{"z":2}}`, d.Payload, "on top of the edit before")
		require.Equal(t, `{ "n": 1.50, "x": {"y": 1} }`, d.Event.Detail, "the event is what it was")
		d = redrive(delivery.Edit{Body: &text, Destination: "spare"})
		require.Equal(t, text, d.Payload)
		require.Equal(t, "spare", d.Destination)
		require.Equal(t, 3, d.Redrives)
		_, err := s.Service.RedriveDelivery(ctx, id, delivery.Edit{MergePatch: `{}`})
		require.ErrorContains(t, err, "no JSON object")
		empty := ""
		require.Empty(t, redrive(delivery.Edit{Body: &empty}).Payload)
		status = http.StatusOK
		require.Equal(t, delivery.Succeeded, redrive(delivery.Edit{}).State)
	})
}
