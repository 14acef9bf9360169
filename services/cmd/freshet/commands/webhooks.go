package commands

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
)

type webhooksCmd struct {
	clientFlags
	Bus    string            `default:"default" help:"Bus of the webhooks. Default: ${default}." placeholder:"BUS"`
	List   webhooksListCmd   `cmd:"" help:"List the webhooks of a bus."`
	Get    webhooksGetCmd    `cmd:"" help:"Show one webhook and where senders send to."`
	Create webhooksCreateCmd `cmd:"" help:"Create a webhook: a path at which a sender's signed requests become events."`
	Update webhooksUpdateCmd `cmd:"" help:"Change a webhook, its secret for instance."`
	Delete webhooksDeleteCmd `cmd:"" help:"Delete a webhook."`
}

// webhookArg names a webhook.
type webhookArg struct {
	Webhook string `arg:"" help:"Id of the webhook, or its name projects/…/buses/…/webhooks/…"`
}

// of is the webhook's resource name.
func (a webhookArg) of(f *webhooksCmd) string { return f.name("buses/"+f.Bus+"/webhooks", a.Webhook) }

type webhooksListCmd struct{}

// Run lists webhooks.
func (c *webhooksListCmd) Run(ctx context.Context, s *session, f *webhooksCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	request := &deliveryv1.ListWebhooksRequest{Parent: f.name("buses", f.Bus)}
	webhooks, err := pages(0, func(size int32, token string) ([]*deliveryv1.Webhook, string, error) {
		request.PageSize, request.PageToken = size, token
		page, err := cl.webhooks.ListWebhooks(ctx, request)
		return page.GetWebhooks(), page.GetNextPageToken(), err
	})
	if err != nil {
		return err
	}
	if f.Output == "json" {
		return printJSONList(s.stdout, "webhooks", webhooks)
	}
	t := newTable(s.stdout, "WEBHOOK", "STATE", "SCHEME", "SOURCE", "DETAIL TYPE", "PATH")
	for _, h := range webhooks {
		t.row(last(h.GetName()), h.GetState().String(), h.GetSignature().GetScheme().String(), h.GetSource(), h.GetDetailType(),
			h.GetIngestPath())
	}
	return t.flush()
}

type webhooksGetCmd struct{ webhookArg }

// Run shows a webhook.
func (c *webhooksGetCmd) Run(ctx context.Context, s *session, f *webhooksCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.webhooks.GetWebhook(ctx, &deliveryv1.GetWebhookRequest{Name: c.of(f)})
	if err != nil {
		return err
	}
	return f.show(s, answer.GetWebhook())
}

func (f *webhooksCmd) show(s *session, h *deliveryv1.Webhook) error {
	if f.Output == "json" {
		return printJSON(s.stdout, h)
	}
	g := h.GetSignature()
	t := newTable(s.stdout)
	t.property("Name", h.GetName())
	t.property("Description", h.GetDescription())
	t.property("State", h.GetState().String())
	t.property("Path", h.GetIngestPath())
	t.property("Scheme", g.GetScheme().String())
	t.property("Header", strings.TrimSpace(g.GetHeader()+" "+g.GetPrefix()))
	t.property("Signed", g.GetSignedContent())
	t.property("Time", g.GetTimestampHeader())
	if g.GetTimestampTolerance() != nil {
		t.property("Tolerance", span(g.GetTimestampTolerance().AsDuration()))
	}
	t.property("Source", h.GetSource())
	t.property("Detail type", h.GetDetailType())
	t.property("Kept headers", strings.Join(h.GetKeptHeaders(), ", "))
	t.property("Created", relative(h.GetCreateTime(), s.now()))
	return t.flush()
}

// webhookSecrets are the secrets of a webhook, which must not stand on the command line.
type webhookSecrets struct {
	Secret         string `help:"What the sender signs with: @FILE to read it from a file, - from standard input." placeholder:"@FILE"`
	PreviousSecret string `help:"A second secret that is accepted too, during a change: @FILE." placeholder:"@FILE"`
}

// into reads the secrets.
func (c *webhookSecrets) into(s *session, g *deliveryv1.WebhookSignature) (err error) {
	if c.PreviousSecret != "" && c.Secret == "" {
		return usagef("--previous-secret goes with --secret: both are changed together")
	}
	if g.Secret, err = importedSecret(s, "--secret", c.Secret); err != nil {
		return err
	}
	if c.PreviousSecret == "-" {
		return usagef("--previous-secret: give @FILE")
	}
	g.PreviousSecret, err = importedSecret(s, "--previous-secret", c.PreviousSecret)
	return err
}

type webhooksCreateCmd struct {
	Webhook string `arg:"" help:"Id of the new webhook."`
	Scheme  string `required:"" help:"STANDARD_WEBHOOKS, GITHUB, STRIPE, SHARED_SECRET or HMAC." placeholder:"NAME"`
	webhookSecrets
	Header          string        `help:"Of SHARED_SECRET and HMAC: the header with the secret or the HMAC." placeholder:"NAME"`
	Prefix          string        `help:"Of SHARED_SECRET and HMAC: what stands before it in the header." placeholder:"TEXT"`
	Algorithm       string        `help:"Of HMAC: SHA256 (default), SHA1 or SHA512." placeholder:"NAME"`
	Encoding        string        `help:"Of HMAC: HEX (default) or BASE64." placeholder:"NAME"`
	TimestampHeader string        `help:"Of HMAC: the header with the time of signing." placeholder:"NAME"`
	SignedContent   string        `help:"Of HMAC: what is signed, with {body} and {timestamp}. Default: {body}, with a time {timestamp}.{body}." placeholder:"TEXT"`
	Tolerance       time.Duration `help:"How far the time of signing may be off. Default: 5m." placeholder:"TIME"`
	Source          string        `help:"Source of the events, or a JSON path to it. Default: webhook. and the id." placeholder:"SOURCE"`
	DetailType      string        `help:"Detail type of the events, or a JSON path to it. Default: Webhook Received." placeholder:"TYPE"`
	KeepHeader      []string      `help:"A header that the events keep; may be repeated." placeholder:"NAME"`
	Description     string        `help:"For people." placeholder:"TEXT"`
}

// Run creates a webhook.
func (c *webhooksCreateCmd) Run(ctx context.Context, s *session, f *webhooksCmd) error {
	signature, err := c.signature(s)
	if err != nil {
		return err
	}
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.webhooks.CreateWebhook(ctx, &deliveryv1.CreateWebhookRequest{
		Parent: f.name("buses", f.Bus), WebhookId: c.Webhook,
		Webhook: &deliveryv1.Webhook{
			Description: c.Description, Signature: signature, Source: c.Source, DetailType: c.DetailType, KeptHeaders: c.KeepHeader,
		},
	})
	if err != nil {
		return err
	}
	return f.show(s, answer.GetWebhook())
}

func (c *webhooksCreateCmd) signature(s *session) (*deliveryv1.WebhookSignature, error) {
	scheme, err := enumValue("--scheme", c.Scheme, deliveryv1.WebhookSignature_Scheme_value)
	if err != nil {
		return nil, err
	}
	algorithm, err := enumValue("--algorithm", c.Algorithm, deliveryv1.WebhookSignature_Algorithm_value)
	if err != nil {
		return nil, err
	}
	encoding, err := enumValue("--encoding", c.Encoding, deliveryv1.WebhookSignature_Encoding_value)
	if err != nil {
		return nil, err
	}
	if c.Secret == "" {
		return nil, usagef("--secret: a webhook has one")
	}
	g := &deliveryv1.WebhookSignature{
		Scheme: deliveryv1.WebhookSignature_Scheme(scheme), Header: c.Header, Prefix: c.Prefix,
		Algorithm: deliveryv1.WebhookSignature_Algorithm(algorithm), Encoding: deliveryv1.WebhookSignature_Encoding(encoding),
		TimestampHeader: c.TimestampHeader, SignedContent: c.SignedContent,
	}
	if c.Tolerance != 0 {
		g.TimestampTolerance = durationpb.New(c.Tolerance)
	}
	return g, c.into(s, g)
}

type webhooksUpdateCmd struct {
	webhookArg
	webhookSecrets
	State       string   `help:"ENABLED or DISABLED." placeholder:"STATE"`
	Source      *string  `help:"Source of the events, or a JSON path to it; empty for the default." placeholder:"SOURCE"`
	DetailType  *string  `help:"Detail type of the events, or a JSON path to it; empty for the default." placeholder:"TYPE"`
	KeepHeader  []string `help:"A header that the events keep; may be repeated, and replaces those before." placeholder:"NAME"`
	Description *string  `help:"For people." placeholder:"TEXT"`
}

// Run changes what flags name. A change that somebody else makes meanwhile is not undone: the server refuses this one then.
func (c *webhooksUpdateCmd) Run(ctx context.Context, s *session, f *webhooksCmd) error {
	state, err := enumValue("--state", c.State, deliveryv1.Webhook_State_value)
	if err != nil {
		return err
	}
	secrets := &deliveryv1.WebhookSignature{}
	if err := c.into(s, secrets); err != nil {
		return err
	}
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.webhooks.GetWebhook(ctx, &deliveryv1.GetWebhookRequest{Name: c.of(f)})
	if err != nil {
		return err
	}
	webhook := answer.GetWebhook()
	mask := &fieldmaskpb.FieldMask{}
	change := func(field string, given bool, set func()) {
		if given {
			mask.Paths = append(mask.Paths, field)
			set()
		}
	}
	change("state", state != 0, func() { webhook.State = deliveryv1.Webhook_State(state) })
	change("source", c.Source != nil, func() { webhook.Source = *c.Source })
	change("detail_type", c.DetailType != nil, func() { webhook.DetailType = *c.DetailType })
	change("kept_headers", len(c.KeepHeader) > 0, func() { webhook.KeptHeaders = c.KeepHeader })
	change("description", c.Description != nil, func() { webhook.Description = *c.Description })
	change("signature", secrets.GetSecret() != "", func() {
		webhook.Signature.Secret, webhook.Signature.PreviousSecret = secrets.GetSecret(), secrets.GetPreviousSecret()
	})
	if len(mask.GetPaths()) == 0 {
		return usagef("nothing to change: give a flag of what is to be another")
	}
	updated, err := cl.webhooks.UpdateWebhook(ctx, &deliveryv1.UpdateWebhookRequest{Webhook: webhook, UpdateMask: mask})
	if err != nil {
		return err
	}
	return f.show(s, updated.GetWebhook())
}

type webhooksDeleteCmd struct {
	webhookArg
	Etag string `help:"Delete it only if its etag is still this one." placeholder:"ETAG"`
}

// Run deletes a webhook.
func (c *webhooksDeleteCmd) Run(ctx context.Context, s *session, f *webhooksCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	if _, err := cl.webhooks.DeleteWebhook(ctx, &deliveryv1.DeleteWebhookRequest{Name: c.of(f), Etag: c.Etag}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stdout, "%s is deleted\n", last(c.of(f)))
	return err
}
