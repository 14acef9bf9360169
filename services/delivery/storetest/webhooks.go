package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/webhook"
	"github.com/freshet-io/freshet/services/internal/seal"
)

func (f *fixture) webhook(t *testing.T, id string) delivery.Webhook {
	t.Helper()
	h := delivery.Webhook{
		Name: delivery.WebhookName{Project: bus.Project, Bus: bus.Bus, Webhook: id}, Description: "about", Source: "s", DetailType: "$.body.t",
		Signature: webhook.Signature{
			Scheme: webhook.HMAC, Secret: seal.NewSecret("12345678"), Previous: seal.NewSecret("87654321"), Header: "x-sig", Prefix: "v0=",
			Algorithm: webhook.SHA512, Encoding: webhook.Base64, TimestampHeader: "x-at", Content: "{timestamp}{body}", Tolerance: time.Minute,
		},
		Headers: []string{"x-a"}, CreateTime: now, UpdateTime: now, Etag: f.id(),
	}
	require.NoError(t, f.CreateWebhook(t.Context(), h))
	return h
}

func testWebhooks(t *testing.T, f *fixture) {
	ctx := t.Context()
	_, err := f.Webhook(ctx, delivery.WebhookName{Project: "p", Bus: bus.Bus, Webhook: "h"})
	require.ErrorIs(t, err, delivery.ErrWebhookNotFound)
	h := f.webhook(t, "h")
	require.ErrorIs(t, f.CreateWebhook(ctx, h), delivery.ErrExists)
	orphan := h
	orphan.Name.Bus = "none"
	require.ErrorIs(t, f.CreateWebhook(ctx, orphan), delivery.ErrBusNotFound)
	got, err := f.Webhook(ctx, h.Name)
	require.NoError(t, err)
	require.True(t, got.Signature.Secret.Equal(h.Signature.Secret) && got.Signature.Previous.Equal(h.Signature.Previous))
	require.Equal(t, h, got)

	f.webhook(t, "i")
	f.webhook(t, "H")
	list, err := f.ListWebhooks(ctx, bus, "H", 1)
	require.NoError(t, err)
	require.Equal(t, []delivery.Webhook{h}, list)
	_, err = f.ListWebhooks(ctx, delivery.BusName{Project: "p", Bus: "none"}, "", 1)
	require.ErrorIs(t, err, delivery.ErrBusNotFound)

	old := h.Etag
	h.Description, h.Disabled, h.Headers, h.Etag = "new", true, nil, f.id()
	h.Signature = webhook.Signature{Scheme: webhook.GitHub, Secret: seal.NewSecret("another one")}
	require.ErrorIs(t, f.ReplaceWebhook(ctx, h, "0"), delivery.ErrEtagMismatch)
	require.NoError(t, f.ReplaceWebhook(ctx, h, old))
	got, err = f.Webhook(ctx, h.Name)
	require.NoError(t, err)
	require.Equal(t, h, got)
	missing := h
	missing.Name.Webhook = "none"
	require.ErrorIs(t, f.ReplaceWebhook(ctx, missing, old), delivery.ErrWebhookNotFound)

	require.NoError(t, f.KeepReceipt(ctx, h.Name, "gone", "e0", now, now))
	require.ErrorIs(t, f.DeleteWebhook(ctx, h.Name, old), delivery.ErrEtagMismatch)
	require.NoError(t, f.DeleteWebhook(ctx, h.Name, h.Etag))
	require.ErrorIs(t, f.DeleteWebhook(ctx, h.Name, ""), delivery.ErrWebhookNotFound)

	other := delivery.BusName{Project: "p", Bus: "hooked"}
	require.NoError(t, f.CreateBus(ctx, delivery.Bus{Name: other, Etag: "1"}))
	kept := h
	kept.Name.Bus = other.Bus
	require.NoError(t, f.CreateWebhook(ctx, kept))
	require.ErrorIs(t, f.DeleteBus(ctx, other, ""), delivery.ErrInUse)
	require.NoError(t, f.DeleteWebhook(ctx, kept.Name, ""))
	require.NoError(t, f.DeleteBus(ctx, other, ""))
}

func testReceipts(t *testing.T, f *fixture) {
	ctx := t.Context()
	a, b := f.webhook(t, "a").Name, f.webhook(t, "b").Name
	receipt := func(name delivery.WebhookName, identity string, at time.Time) string {
		t.Helper()
		event, err := f.Receipt(ctx, name, identity, at)
		require.NoError(t, err)
		return event
	}
	require.Empty(t, receipt(a, "one", now))
	require.NoError(t, f.KeepReceipt(ctx, a, "one", "e1", now, now.Add(time.Minute)))
	require.Equal(t, "e1", receipt(a, "one", now))
	require.Empty(t, receipt(b, "one", now))
	require.Empty(t, receipt(a, "one", now.Add(time.Minute)), "it is over")
	require.NoError(t, f.KeepReceipt(ctx, a, "one", "e2", now, now.Add(2*time.Minute)))
	require.Equal(t, "e2", receipt(a, "one", now.Add(time.Minute)))
	for i := range 30 { // what is over is removed with what comes
		require.NoError(t, f.KeepReceipt(ctx, a, fmt.Sprint(i), "e", now.Add(time.Hour), now.Add(time.Hour)))
	}
	require.Empty(t, receipt(a, "one", now), "it is gone")
}
