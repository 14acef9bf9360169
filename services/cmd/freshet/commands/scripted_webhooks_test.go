package commands

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
)

func slack() *deliveryv1.Webhook {
	return &deliveryv1.Webhook{
		Name: "projects/default/buses/default/webhooks/slack", Description: "commands", State: deliveryv1.Webhook_ENABLED,
		Signature: &deliveryv1.WebhookSignature{
			Scheme: deliveryv1.WebhookSignature_HMAC, Header: "X-Slack-Signature", Prefix: "v0=", Algorithm: deliveryv1.WebhookSignature_SHA256,
			Encoding: deliveryv1.WebhookSignature_HEX, TimestampHeader: "X-Slack-Request-Timestamp", SignedContent: "v0:{timestamp}:{body}",
			TimestampTolerance: durationpb.New(time.Minute),
		},
		Source: "slack", DetailType: "$.body.type", KeptHeaders: []string{"user-agent"},
		IngestPath: "/ingest/v1/projects/default/buses/default/webhooks/slack", CreateTime: at(-50 * time.Hour), Etag: "e1",
	}
}

func (s *scripted) CreateWebhook(_ context.Context, r *deliveryv1.CreateWebhookRequest) (*deliveryv1.CreateWebhookResponse, error) {
	s.record(r)
	return &deliveryv1.CreateWebhookResponse{Webhook: slack()}, nil
}

func (s *scripted) GetWebhook(_ context.Context, r *deliveryv1.GetWebhookRequest) (*deliveryv1.GetWebhookResponse, error) {
	s.record(r)
	return &deliveryv1.GetWebhookResponse{Webhook: slack()}, nil
}

func (s *scripted) ListWebhooks(_ context.Context, r *deliveryv1.ListWebhooksRequest) (*deliveryv1.ListWebhooksResponse, error) {
	s.record(r)
	return &deliveryv1.ListWebhooksResponse{Webhooks: []*deliveryv1.Webhook{slack()}}, nil
}

func (s *scripted) UpdateWebhook(_ context.Context, r *deliveryv1.UpdateWebhookRequest) (*deliveryv1.UpdateWebhookResponse, error) {
	s.record(r)
	return &deliveryv1.UpdateWebhookResponse{Webhook: r.GetWebhook()}, nil
}

func (s *scripted) DeleteWebhook(_ context.Context, r *deliveryv1.DeleteWebhookRequest) (*deliveryv1.DeleteWebhookResponse, error) {
	s.record(r)
	return &deliveryv1.DeleteWebhookResponse{}, nil
}
