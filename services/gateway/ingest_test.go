package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

const hook = "projects/default/buses/orders/webhooks/h"

// TestIngest: a request to a webhook needs no key, reaches the service whole, and under the gateway's own identity.
func TestIngest(t *testing.T) {
	overEachProtocol(t, func(t *testing.T, f *fixture) {
		f.answer("WebhookInternalService.ReceiveWebhook", &deliveryv1.ReceiveWebhookResponse{EventId: "e1"}, nil)
		got := f.do("POST", "/ingest/v1/"+hook, "\x00not json", "Authorization", "", "X-Sig", "s", "Content-Type", "text/plain")
		require.Equal(t, http.StatusAccepted, got.status)
		require.JSONEq(t, `{"eventId":"e1"}`, got.body)
		received := f.take(t)
		request := received.request.(*deliveryv1.ReceiveWebhookRequest)
		require.Equal(t, hook, request.GetName())
		require.Equal(t, "\x00not json", string(request.GetBody()))
		headers := map[string]string{}
		for _, h := range request.GetHeaders() {
			headers[h.GetName()] = h.GetValue()
		}
		require.Equal(t, "s", headers["X-Sig"])
		require.Equal(t, "text/plain", headers["Content-Type"])
		require.NotContains(t, f.logs.String(), "not json")

		f.answer("WebhookInternalService.ReceiveWebhook", &deliveryv1.ReceiveWebhookResponse{EventId: "e1", RepeatedRequest: true}, nil)
		require.Equal(t, http.StatusOK, f.do("POST", "/ingest/v1/"+hook, "x", "Authorization", "").status)
	})
}

func TestIngestErrors(t *testing.T) {
	f := start(t)
	refused := rpcerr.New(codes.Unauthenticated, errorsv1.Reason_UNAUTHENTICATED, "refused")
	f.answer("WebhookInternalService.ReceiveWebhook", (*deliveryv1.ReceiveWebhookResponse)(nil), refused)
	f.requireProblem(f.do("POST", "/ingest/v1/"+hook, "x", "Authorization", ""), http.StatusUnauthorized, "UNAUTHENTICATED")
	f.take(t)
	f.requireProblem(f.do("GET", "/ingest/v1/"+hook, "", "Authorization", ""), http.StatusMethodNotAllowed, "METHOD_NOT_SERVED")
	large := f.do("POST", "/ingest/v1/"+hook, strings.Repeat("x", 1<<20+1), "Authorization", "")
	f.requireProblem(large, http.StatusRequestEntityTooLarge, "LIMIT_EXCEEDED")
	f.requireNoCalls(t)
	f.answer("WebhookInternalService.ReceiveWebhook", &deliveryv1.ReceiveWebhookResponse{}, nil)
	require.Equal(t, http.StatusAccepted, f.do("POST", "/ingest/v1/"+hook, strings.Repeat("x", 1<<20), "Authorization", "").status)
}
