package rpc_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/delivery"
)

const hookSecret = "correct horse battery"

func stripe(secret, body string, at time.Time) []*deliveryv1.ReceiveWebhookRequest_Header {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = fmt.Fprintf(mac, "%d.%s", at.Unix(), body)
	return []*deliveryv1.ReceiveWebhookRequest_Header{
		{Name: "Stripe-Signature", Value: fmt.Sprintf("t=%d,v1=%x", at.Unix(), mac.Sum(nil))}, {Name: "X-Kind", Value: "k"},
	}
}

func TestWebhooks(t *testing.T) {
	f, ctx := newFixture(t), t.Context()
	hooks := deliveryv1.NewWebhookServiceClient(f.admin)
	made, err := hooks.CreateWebhook(ctx, &deliveryv1.CreateWebhookRequest{Parent: standard, WebhookId: "h", Webhook: &deliveryv1.Webhook{
		Signature: &deliveryv1.WebhookSignature{Scheme: deliveryv1.WebhookSignature_STRIPE, Secret: hookSecret, PreviousSecret: "old " + hookSecret},
	}})
	require.NoError(t, err)
	h := made.GetWebhook()
	require.Equal(t, "/ingest/v1/"+standard+"/webhooks/h", h.GetIngestPath())
	require.Equal(t, "webhook.h", h.GetSource())
	require.Equal(t, "Webhook Received", h.GetDetailType())
	requireNoSecret := func(m *deliveryv1.Webhook) {
		t.Helper()
		text, err := protojson.Marshal(m)
		require.NoError(t, err)
		require.NotContains(t, string(text), hookSecret)
	}
	requireNoSecret(h)
	_, err = hooks.CreateWebhook(ctx, &deliveryv1.CreateWebhookRequest{Parent: standard, WebhookId: "h", Webhook: &deliveryv1.Webhook{
		Signature: &deliveryv1.WebhookSignature{Scheme: deliveryv1.WebhookSignature_GITHUB, Secret: hookSecret},
	}})
	requireError(t, err, codes.AlreadyExists, errorsv1.Reason_RESOURCE_EXISTS)

	// The secret stays where it is not sent again.
	changed, err := hooks.UpdateWebhook(ctx, &deliveryv1.UpdateWebhookRequest{
		Webhook: &deliveryv1.Webhook{
			Name: h.GetName(), Etag: h.GetEtag(), DetailType: "$.headers.x-kind", KeptHeaders: []string{"x-kind"},
			Signature: &deliveryv1.WebhookSignature{Scheme: deliveryv1.WebhookSignature_STRIPE},
		},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"detail_type", "kept_headers", "signature"}},
	})
	require.NoError(t, err)
	requireNoSecret(changed.GetWebhook())
	for _, secret := range []string{hookSecret, "old " + hookSecret} {
		_, err = f.receive(t, "h", `{"a":1}`, stripe(secret, `{"a":1}`, time.Now()))
		require.NoError(t, err)
	}
	list, err := hooks.ListWebhooks(ctx, &deliveryv1.ListWebhooksRequest{Parent: standard})
	require.NoError(t, err)
	require.Len(t, list.GetWebhooks(), 1)
	requireNoSecret(list.GetWebhooks()[0])

	_, err = hooks.DeleteWebhook(ctx, &deliveryv1.DeleteWebhookRequest{Name: h.GetName(), Etag: h.GetEtag()})
	requireError(t, err, codes.Aborted, errorsv1.Reason_ETAG_MISMATCH)
	_, err = hooks.DeleteWebhook(ctx, &deliveryv1.DeleteWebhookRequest{Name: h.GetName()})
	require.NoError(t, err)
	_, err = hooks.GetWebhook(ctx, &deliveryv1.GetWebhookRequest{Name: h.GetName()})
	requireError(t, err, codes.NotFound, errorsv1.Reason_WEBHOOK_NOT_FOUND)
}

func (f *fixture) receive(t *testing.T, id, body string, headers []*deliveryv1.ReceiveWebhookRequest_Header) (*deliveryv1.ReceiveWebhookResponse, error) {
	t.Helper()
	return deliveryv1.NewWebhookInternalServiceClient(f.gateway).ReceiveWebhook(t.Context(), &deliveryv1.ReceiveWebhookRequest{
		Name: standard + "/webhooks/" + id, Body: []byte(body), Headers: headers,
	})
}

// TestReceiveWebhook: a request becomes an event like any other, once; what does not prove its sender becomes nothing, and cannot tell why.
func TestReceiveWebhook(t *testing.T) {
	f, ctx := newFixture(t), t.Context()
	hooks := deliveryv1.NewWebhookServiceClient(f.admin)
	_, err := hooks.CreateWebhook(ctx, &deliveryv1.CreateWebhookRequest{Parent: standard, WebhookId: "h", Webhook: &deliveryv1.Webhook{
		Signature: &deliveryv1.WebhookSignature{Scheme: deliveryv1.WebhookSignature_STRIPE, Secret: hookSecret},
		Source:    "shop", DetailType: "$.body.kind", KeptHeaders: []string{"X-Kind"},
	}})
	require.NoError(t, err)
	f.destination(t, "d", nil)
	_, err = f.createRule(ctx, "r", simpleRule(target("d")))
	require.NoError(t, err)

	const body = `{"kind":"Order", "n": 1.0}`
	now := time.Now()
	first, err := f.receive(t, "h", body, stripe(hookSecret, body, now))
	require.NoError(t, err)
	require.False(t, first.GetRepeatedRequest())
	again, err := f.receive(t, "h", body, stripe(hookSecret, body, now))
	require.NoError(t, err)
	require.Equal(t, first.GetEventId(), again.GetEventId())
	require.True(t, again.GetRepeatedRequest())
	deliveries, err := f.Service.ListDeliveries(ctx, "p", delivery.Filter{}, "", 10)
	require.NoError(t, err)
	require.Len(t, deliveries, 1)
	e := deliveries[0].Event
	require.Equal(t, first.GetEventId(), e.ID)
	require.Equal(t, "Order", e.DetailType)
	require.Equal(t, `{"headers":{"x-kind":"k"},"body":`+body+`}`, e.Detail)
	require.Equal(t, []string{standard + "/webhooks/h"}, e.Resources)

	var texts []string
	refused := func(id string, headers []*deliveryv1.ReceiveWebhookRequest_Header) {
		t.Helper()
		_, err := f.receive(t, id, body, headers)
		requireError(t, err, codes.Unauthenticated, errorsv1.Reason_UNAUTHENTICATED)
		texts = append(texts, err.Error())
	}
	refused("h", stripe("wrong secret", body, now))
	refused("h", stripe(hookSecret, body, now.Add(-time.Hour)))
	refused("h", nil)
	refused("none", stripe(hookSecret, body, now))
	_, err = hooks.UpdateWebhook(ctx, &deliveryv1.UpdateWebhookRequest{
		Webhook: &deliveryv1.Webhook{Name: standard + "/webhooks/h", State: deliveryv1.Webhook_DISABLED},
	})
	require.NoError(t, err)
	refused("h", stripe(hookSecret, body, now))
	for _, text := range texts {
		require.Equal(t, texts[0], text)
	}

	_, err = hooks.UpdateWebhook(ctx, &deliveryv1.UpdateWebhookRequest{
		Webhook: &deliveryv1.Webhook{Name: standard + "/webhooks/h", State: deliveryv1.Webhook_ENABLED},
	})
	require.NoError(t, err)
	_, err = f.receive(t, "h", `{}`, stripe(hookSecret, `{}`, now))
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "body", "DetailType is a required argument")

	// Nobody but the gateway may hand requests in.
	_, err = deliveryv1.NewWebhookInternalServiceClient(f.admin).ReceiveWebhook(ctx, &deliveryv1.ReceiveWebhookRequest{Name: standard + "/webhooks/h"})
	requireError(t, err, codes.PermissionDenied, errorsv1.Reason_PERMISSION_DENIED)
}

func TestWebhookErrors(t *testing.T) {
	f, ctx := newFixture(t), t.Context()
	hooks := deliveryv1.NewWebhookServiceClient(f.admin)
	for i, bad := range []struct {
		change      func(*deliveryv1.Webhook)
		field, says string
	}{
		{func(h *deliveryv1.Webhook) { h.Signature = nil }, "webhook.signature", ""},
		{func(h *deliveryv1.Webhook) { h.Signature.Scheme = 0 }, "webhook.signature.scheme", ""},
		{func(h *deliveryv1.Webhook) { h.Signature.Secret = "" }, "webhook.signature.secret", "is required"},
		{func(h *deliveryv1.Webhook) { h.Signature.Header = "x" }, "webhook.signature.header", "go only with"},
		{func(h *deliveryv1.Webhook) { h.Source = "$.body[" }, "webhook.source", "JSON path"},
		{func(h *deliveryv1.Webhook) { h.KeptHeaders = []string{"authorization"} }, "webhook.kept_headers[0]", "credential"},
		{func(h *deliveryv1.Webhook) { h.KeptHeaders = []string{"no good"} }, "webhook.kept_headers[0]", ""},
	} {
		h := &deliveryv1.Webhook{Signature: &deliveryv1.WebhookSignature{Scheme: deliveryv1.WebhookSignature_GITHUB, Secret: hookSecret}}
		bad.change(h)
		_, err := hooks.CreateWebhook(ctx, &deliveryv1.CreateWebhookRequest{Parent: standard, WebhookId: fmt.Sprintf("h%d", i), Webhook: h})
		requireField(t, err, errorsv1.Reason_INVALID_FIELD, bad.field, bad.says)
		require.NotContains(t, err.Error(), hookSecret)
	}
	_, err := hooks.CreateWebhook(ctx, &deliveryv1.CreateWebhookRequest{Parent: "projects/p/buses/none", WebhookId: "h", Webhook: &deliveryv1.Webhook{
		Signature: &deliveryv1.WebhookSignature{Scheme: deliveryv1.WebhookSignature_GITHUB, Secret: hookSecret},
	}})
	requireError(t, err, codes.NotFound, errorsv1.Reason_BUS_NOT_FOUND)
}
