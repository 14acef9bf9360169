package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
)

const cloudPath = "/v1/projects/default/buses/orders/cloudevents"

func putAnswer(ids ...string) *deliveryv1.PutEventsResponse {
	r := &deliveryv1.PutEventsResponse{FailedEntryCount: new(int32)}
	for _, id := range ids {
		r.Entries = append(r.Entries, &deliveryv1.PutEventsResultEntry{EventId: id})
	}
	return r
}

// TestCloudEvents: each mode gives the same event.
func TestCloudEvents(t *testing.T) {
	overEachProtocol(t, func(t *testing.T, f *fixture) {
		f.answer("DeliveryService.PutEvents", putAnswer("e1"), nil)
		const structured = `{"specversion":"1.0","id":"7","source":"/shop","type":"Order","time":"2026-01-02T03:04:05Z","subject":"order/7",` +
			`"dataschema":"https://s.example/o","region":"eu","data":{"n": 1.50}}`
		for name, send := range map[string]func() answer{
			"binary": func() answer {
				return f.do("POST", cloudPath, `{"n": 1.50}`, "Content-Type", "application/json", "ce-specversion", "1.0", "ce-id", "7",
					"ce-source", "/shop", "ce-type", "Order", "ce-time", "2026-01-02T03:04:05Z", "ce-subject", "order/7",
					"ce-dataschema", "https://s.example/o", "ce-region", "eu")
			},
			"structured": func() answer {
				return f.do("POST", cloudPath, structured, "Content-Type", "application/cloudevents+json; charset=utf-8")
			},
			"batched": func() answer {
				return f.do("POST", cloudPath, "["+structured+"]", "Content-Type", "application/cloudevents-batch+json")
			},
		} {
			got := send()
			if name == "batched" {
				require.Equal(t, http.StatusOK, got.status, got.body)
				require.JSONEq(t, `{"failedEntryCount":0,"entries":[{"eventId":"e1"}]}`, got.body)
			} else {
				require.Equal(t, http.StatusAccepted, got.status, got.body)
				require.JSONEq(t, `{"eventId":"e1"}`, got.body)
			}
			request := f.take(t).request.(*deliveryv1.PutEventsRequest)
			require.Equal(t, "projects/default/buses/orders", request.GetBus())
			require.Len(t, request.GetEntries(), 1)
			e := request.GetEntries()[0]
			require.Equal(t, "/shop", e.GetSource(), name)
			require.Equal(t, "Order", e.GetDetailType())
			require.Equal(t, `{"n": 1.50}`, e.GetDetail(), name)
			require.EqualValues(t, 1767323045, e.GetTime().GetSeconds())
			require.Equal(t, []string{"order/7", "cloudevents/id/7", "cloudevents/dataschema/https://s.example/o", "cloudevents/region/eu"}, e.GetResources())
			require.Len(t, e.GetDeduplicationId(), len("cloudevents-")+64)
		}
	})
}

func TestCloudEventData(t *testing.T) {
	f := start(t)
	f.answer("DeliveryService.PutEvents", putAnswer("e1"), nil)
	for _, c := range []struct{ body, contentType, detail, kept string }{
		{`[1]`, "application/json", `{"data":[1]}`, ""},
		{`{"a":1}`, "application/vnd.x+json", `{"a":1}`, ""},
		{`a<b`, "text/plain", `{"data":"a<b"}`, "cloudevents/datacontenttype/text/plain"},
		{`{"a":1}`, "text/plain", `{"data":"{\"a\":1}"}`, "cloudevents/datacontenttype/text/plain"},
		{"\xff", "application/octet-stream", `{"dataBase64":"/w=="}`, "cloudevents/datacontenttype/application/octet-stream"},
		{``, "", `{}`, ""},
	} {
		got := f.do("POST", cloudPath, c.body, "Content-Type", c.contentType, "ce-specversion", "1.0", "ce-id", "7", "ce-source", "s", "ce-type", "t")
		require.Equal(t, http.StatusAccepted, got.status, got.body)
		e := f.take(t).request.(*deliveryv1.PutEventsRequest).GetEntries()[0]
		require.Equal(t, c.detail, e.GetDetail())
		require.Equal(t, strings.TrimSpace("cloudevents/id/7 "+c.kept), strings.Join(e.GetResources(), " "))
	}
}

// TestCloudEventBatches: a large batch goes in several calls; what was taken before one fails is told.
func TestCloudEventBatches(t *testing.T) {
	f := start(t)
	calls := 0
	f.unary["DeliveryService.PutEvents"] = func(_ context.Context, request proto.Message) (proto.Message, error) {
		calls++
		if calls == 3 {
			return nil, status.Error(codes.Unavailable, "gone")
		}
		ids := make([]string, len(request.(*deliveryv1.PutEventsRequest).GetEntries()))
		for i := range ids {
			ids[i] = fmt.Sprintf("e%d", calls)
		}
		return putAnswer(ids...), nil
	}
	batch := func(n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(`{"specversion":"1.0","id":"7","source":"s","type":"t"},`, n), ",") + "]"
	}
	got := f.do("POST", cloudPath, batch(25), "Content-Type", "application/cloudevents-batch+json")
	require.Equal(t, http.StatusOK, got.status)
	require.Equal(t, 10, strings.Count(got.body, `"e1"`))
	require.Equal(t, 10, strings.Count(got.body, `"e2"`))
	require.Equal(t, 5, strings.Count(got.body, "InternalFailure"))
	require.Contains(t, got.body, `"failedEntryCount":5`)
	calls = 2
	f.requireProblem(f.do("POST", cloudPath, batch(2), "Content-Type", "application/cloudevents-batch+json"), http.StatusServiceUnavailable, "SERVICE_UNAVAILABLE")
}

func TestCloudEventErrors(t *testing.T) {
	f := start(t)
	batch := []string{"Content-Type", "application/cloudevents-batch+json"}
	structured := []string{"Content-Type", "application/cloudevents+json"}
	f.requireProblem(f.do("POST", cloudPath, "{}", "Authorization", ""), http.StatusUnauthorized, "UNAUTHENTICATED")
	f.requireProblem(f.do("GET", cloudPath, ""), http.StatusMethodNotAllowed, "METHOD_NOT_SERVED")
	for body, headers := range map[string][]string{
		"{}":           nil,
		"no":           structured,
		`{"id":"7"}`:   structured,
		"[]":           batch,
		"{":            batch,
		`[{"id":"7"}]`: batch,
		`{"specversion":"1.0","id":"7","type":"t"}`: structured,
		"[" + strings.TrimSuffix(strings.Repeat(`{"specversion":"1.0","id":"7","source":"s","type":"t"},`, 1001), ",") + "]": batch,
	} {
		f.requireProblem(f.do("POST", cloudPath, body, headers...), http.StatusBadRequest, "INVALID_FIELD")
	}
	f.requireProblem(f.do("POST", cloudPath, strings.Repeat("x", 1<<20+1), structured...), http.StatusRequestEntityTooLarge, "LIMIT_EXCEEDED")
	f.requireNoCalls(t)
	refused := &deliveryv1.PutEventsResponse{FailedEntryCount: proto.Int32(1), Entries: []*deliveryv1.PutEventsResultEntry{{ErrorCode: "InvalidArgument", ErrorMessage: "no"}}}
	f.answer("DeliveryService.PutEvents", refused, nil)
	p := f.requireProblem(f.do("POST", cloudPath, `{"specversion":"1.0","id":"7","source":"s","type":"t"}`, structured...), http.StatusBadRequest, "INVALID_FIELD")
	require.Equal(t, "event", p.Errors[0].Field)
}
