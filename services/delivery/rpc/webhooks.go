package rpc

import (
	"context"
	"net/http"

	"google.golang.org/protobuf/types/known/durationpb"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/webhook"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// webhookServer implements deliveryv1.WebhookServiceServer and deliveryv1.WebhookInternalServiceServer.
type webhookServer struct {
	deliveryv1.UnimplementedWebhookServiceServer
	deliveryv1.UnimplementedWebhookInternalServiceServer
	*server
}

func fromWebhook(h *delivery.Webhook) *deliveryv1.Webhook {
	g := &h.Signature
	m := &deliveryv1.Webhook{
		Name: h.Name.String(), Description: h.Description, State: deliveryv1.Webhook_ENABLED, Source: h.Source, DetailType: h.DetailType,
		KeptHeaders: h.Headers, IngestPath: "/ingest/v1/" + h.Name.String(),
		CreateTime: timestamp(h.CreateTime), UpdateTime: timestamp(h.UpdateTime), Etag: h.Etag,
		Signature: &deliveryv1.WebhookSignature{
			Scheme: deliveryv1.WebhookSignature_Scheme(g.Scheme), Header: g.Header, Prefix: g.Prefix,
			Algorithm: deliveryv1.WebhookSignature_Algorithm(g.Algorithm), Encoding: deliveryv1.WebhookSignature_Encoding(g.Encoding),
			TimestampHeader: g.TimestampHeader, SignedContent: g.Content,
		},
	}
	if h.Disabled {
		m.State = deliveryv1.Webhook_DISABLED
	}
	if g.Tolerance != 0 {
		m.Signature.TimestampTolerance = durationpb.New(g.Tolerance)
	}
	return m
}

// setWebhook sets what a caller can change. Without a secret, the secrets stay.
func setWebhook(h *delivery.Webhook, m *deliveryv1.Webhook) {
	g := m.GetSignature()
	secret, previous := h.Signature.Secret, h.Signature.Previous
	if g.GetSecret() != "" {
		secret, previous = seal.NewSecret(g.GetSecret()), seal.NewSecret(g.GetPreviousSecret())
	}
	h.Description, h.Disabled = m.GetDescription(), m.GetState() == deliveryv1.Webhook_DISABLED
	h.Source, h.DetailType, h.Headers = m.GetSource(), m.GetDetailType(), m.GetKeptHeaders()
	h.Signature = webhook.Signature{
		Scheme: webhook.Scheme(g.GetScheme()), Secret: secret, Previous: previous, Header: g.GetHeader(), Prefix: g.GetPrefix(),
		Algorithm: webhook.Algorithm(g.GetAlgorithm()), Encoding: webhook.Encoding(g.GetEncoding()),
		TimestampHeader: g.GetTimestampHeader(), Content: g.GetSignedContent(), Tolerance: g.GetTimestampTolerance().AsDuration(),
	}
}

// CreateWebhook implements deliveryv1.WebhookServiceServer.
func (s webhookServer) CreateWebhook(ctx context.Context, req *deliveryv1.CreateWebhookRequest) (*deliveryv1.CreateWebhookResponse, error) {
	bus, err := parseBus("parent", req.GetParent())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	h := delivery.Webhook{Name: delivery.WebhookName{Project: bus.Project, Bus: bus.Bus, Webhook: req.GetWebhookId()}}
	setWebhook(&h, req.GetWebhook())
	h, err = s.service.CreateWebhook(ctx, h, delivery.Write{ValidateOnly: req.GetValidateOnly()})
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.CreateWebhookResponse{Webhook: fromWebhook(&h)}, nil
}

// GetWebhook implements deliveryv1.WebhookServiceServer.
func (s webhookServer) GetWebhook(ctx context.Context, req *deliveryv1.GetWebhookRequest) (*deliveryv1.GetWebhookResponse, error) {
	name, err := parseWebhook("name", req.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	h, err := s.service.GetWebhook(ctx, name)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.GetWebhookResponse{Webhook: fromWebhook(&h)}, nil
}

// ListWebhooks implements deliveryv1.WebhookServiceServer.
func (s webhookServer) ListWebhooks(ctx context.Context, req *deliveryv1.ListWebhooksRequest) (*deliveryv1.ListWebhooksResponse, error) {
	bus, err := parseBus("parent", req.GetParent())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	list, next, err := listed(s.server, "webhooks\n"+req.GetParent(), req.GetPageToken(), req.GetPageSize(),
		func(after string, limit int) ([]delivery.Webhook, error) {
			return s.service.ListWebhooks(ctx, bus, after, limit)
		},
		func(h *delivery.Webhook) string { return h.Name.Webhook }, fromWebhook)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.ListWebhooksResponse{Webhooks: list, NextPageToken: next}, nil
}

// UpdateWebhook implements deliveryv1.WebhookServiceServer.
func (s webhookServer) UpdateWebhook(ctx context.Context, req *deliveryv1.UpdateWebhookRequest) (*deliveryv1.UpdateWebhookResponse, error) {
	in := req.GetWebhook()
	name, err := parseWebhook("webhook.name", in.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	h, err := s.service.UpdateWebhook(ctx, name, delivery.Write{Etag: in.GetEtag(), ValidateOnly: req.GetValidateOnly()},
		func(h *delivery.Webhook) error {
			merged := fromWebhook(h)
			err := s.merge("webhook", merged, in, req.GetUpdateMask(), "description", "state", "signature", "source", "detail_type",
				"kept_headers")
			if err != nil {
				return err
			}
			setWebhook(h, merged)
			return nil
		})
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.UpdateWebhookResponse{Webhook: fromWebhook(&h)}, nil
}

// DeleteWebhook implements deliveryv1.WebhookServiceServer.
func (s webhookServer) DeleteWebhook(ctx context.Context, req *deliveryv1.DeleteWebhookRequest) (*deliveryv1.DeleteWebhookResponse, error) {
	name, err := parseWebhook("name", req.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	if err := s.service.DeleteWebhook(ctx, name, delivery.Write{Etag: req.GetEtag()}); err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.DeleteWebhookResponse{}, nil
}

// ReceiveWebhook implements deliveryv1.WebhookInternalServiceServer.
func (s webhookServer) ReceiveWebhook(ctx context.Context, req *deliveryv1.ReceiveWebhookRequest) (*deliveryv1.ReceiveWebhookResponse, error) {
	name, err := parseWebhook("name", req.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	r := webhook.Request{Header: http.Header{}, Body: req.GetBody()}
	for _, h := range req.GetHeaders() {
		r.Header.Add(h.GetName(), h.GetValue())
	}
	event, repeated, err := s.service.ReceiveWebhook(ctx, name, r)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.ReceiveWebhookResponse{EventId: event, RepeatedRequest: repeated}, nil
}
