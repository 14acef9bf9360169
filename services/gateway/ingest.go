package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"google.golang.org/grpc/metadata"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
)

const (
	// ingestPrefix begins the paths of webhooks; a webhook's name follows.
	ingestPrefix = "/ingest/v1/"
	// maxWebhook bounds the body of a request to a webhook: what an event may hold.
	maxWebhook = 1 << 20
)

// ingest takes what senders outside send to webhooks. They have no key of ours: the delivery service judges each request by its signature,
// and the gateway itself is the caller.
type ingest struct {
	webhooks deliveryv1.WebhookInternalServiceClient
	problems problemWriter
}

// ServeHTTP implements http.Handler.
func (i *ingest) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	r.Pattern = http.MethodPost + " " + ingestPrefix + "{name=projects/*/buses/*/webhooks/*}"
	if r.Method != http.MethodPost {
		i.problems.notServed(w, r, []string{http.MethodPost})
		return
	}
	body, err := readUpTo(w, r, maxWebhook)
	if err != nil {
		i.problems.error(r.Context(), w, err)
		return
	}
	request := &deliveryv1.ReceiveWebhookRequest{Name: strings.TrimPrefix(r.URL.EscapedPath(), ingestPrefix), Body: body}
	for name, values := range r.Header {
		for _, value := range values {
			request.Headers = append(request.Headers, &deliveryv1.ReceiveWebhookRequest_Header{Name: name, Value: value})
		}
	}
	ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(r.Context(), nil), callTimeout)
	defer cancel()
	response, err := i.webhooks.ReceiveWebhook(ctx, request)
	if err != nil {
		i.problems.write(ctx, w, i.problems.ofCall(ctx, callStatus(ctx, err)))
		return
	}
	code := http.StatusAccepted
	if response.GetRepeatedRequest() {
		code = http.StatusOK // nothing came of it now
	}
	writeJSON(w, code, map[string]string{"eventId": response.GetEventId()})
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", mimeJSON)
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // The caller may have left.
}
