package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/freshet-io/freshet/services/delivery/shape"
	"github.com/freshet-io/freshet/services/delivery/webhook"
)

// Webhook takes requests of a sender that proves itself by a signature, and puts each as an event on its bus.
type Webhook struct {
	Name        WebhookName
	Description string
	Disabled    bool
	Signature   webhook.Signature
	// Source and DetailType are the event's: constants, or JSON paths into {"headers": {…}, "body": …}.
	Source, DetailType string
	// Headers are the names of those that the event's detail keeps.
	Headers    []string
	CreateTime time.Time
	UpdateTime time.Time
	Etag       string
}

// Webhooks keeps webhooks, their secrets sealed, and which of their requests came already.
type Webhooks interface {
	// Webhook returns ErrWebhookNotFound.
	Webhook(ctx context.Context, name WebhookName) (Webhook, error)
	// ListWebhooks returns webhooks by name, those after the given one; ErrBusNotFound.
	ListWebhooks(ctx context.Context, bus BusName, after string, limit int) ([]Webhook, error)
	// CreateWebhook returns ErrExists, ErrBusNotFound.
	CreateWebhook(ctx context.Context, webhook Webhook) error
	// ReplaceWebhook returns ErrWebhookNotFound, ErrEtagMismatch.
	ReplaceWebhook(ctx context.Context, webhook Webhook, etag string) error
	// DeleteWebhook returns ErrWebhookNotFound, ErrEtagMismatch.
	DeleteWebhook(ctx context.Context, name WebhookName, etag string) error
	// Receipt returns the event that a request of that identity became, as long as that is remembered; "" if there is none.
	Receipt(ctx context.Context, name WebhookName, identity string, now time.Time) (event string, err error)
	// KeepReceipt remembers that for a while, and forgets some that are over.
	KeepReceipt(ctx context.Context, name WebhookName, identity, event string, now, until time.Time) error
}

// Defaults of a [Webhook].
const (
	defaultWebhookSource     = "webhook."
	defaultWebhookDetailType = "Webhook Received"
)

// ErrRefused means that a request to a webhook is not accepted. There is no telling why: whether there is such a webhook, and whether it
// works, is nobody's business who cannot prove to be its sender.
var ErrRefused = errors.New("the request is refused: there is no such webhook, or the request does not prove its sender")

// CreateWebhook creates a webhook; ErrExists, ErrBusNotFound, an InvalidError.
func (s *Service) CreateWebhook(ctx context.Context, h Webhook, w Write) (Webhook, error) {
	h = h.withDefaults()
	if err := checkWebhook(&h); err != nil {
		return Webhook{}, err
	}
	if _, err := s.store.Bus(ctx, h.Name.On()); err != nil {
		return Webhook{}, err
	}
	now := s.stamp()
	h.CreateTime, h.UpdateTime, h.Etag = now, now, s.newID(now)
	if w.ValidateOnly {
		_, err := s.store.Webhook(ctx, h.Name)
		return h, absent(err, ErrWebhookNotFound, h.Name)
	}
	return h, s.store.CreateWebhook(ctx, h)
}

func (h Webhook) withDefaults() Webhook {
	if h.Source == "" {
		h.Source = defaultWebhookSource + h.Name.Webhook
	}
	if h.DetailType == "" {
		h.DetailType = defaultWebhookDetailType
	}
	return h
}

func checkWebhook(h *Webhook) error {
	e := &InvalidError{}
	note := func(field, why string) { e.Violations = append(e.Violations, Violation{"webhook." + field, why}) }
	for _, f := range h.Signature.Check() {
		note("signature."+f.Field, f.Reason)
	}
	for field, text := range map[string]string{"source": h.Source, "detail_type": h.DetailType} {
		if _, err := shape.ParseParameter(text); err != nil {
			note(field, err.Error())
		}
	}
	for i, name := range h.Headers {
		if h.Signature.Secrets(name) {
			note(fmt.Sprintf("kept_headers[%d]", i), "must not be a header that holds a credential")
		}
	}
	if len(e.Violations) > 0 {
		return e
	}
	return nil
}

// same tells whether what callers decide is as in another one.
func (h *Webhook) same(o *Webhook) bool {
	return h.Description == o.Description && h.Disabled == o.Disabled && h.Source == o.Source && h.DetailType == o.DetailType &&
		slices.Equal(h.Headers, o.Headers) && h.Signature.Equal(&o.Signature)
}

// GetWebhook returns a webhook; ErrWebhookNotFound.
func (s *Service) GetWebhook(ctx context.Context, name WebhookName) (Webhook, error) {
	return s.store.Webhook(ctx, name)
}

// ListWebhooks returns the webhooks of a bus by name, those after the given one; ErrBusNotFound.
func (s *Service) ListWebhooks(ctx context.Context, bus BusName, after string, limit int) ([]Webhook, error) {
	return s.store.ListWebhooks(ctx, bus, after, limit)
}

// UpdateWebhook changes a webhook, as UpdateBus does a bus, but leaves one as it is that is the same already; ErrWebhookNotFound, ErrEtagMismatch, an InvalidError.
func (s *Service) UpdateWebhook(ctx context.Context, name WebhookName, w Write, change func(*Webhook) error) (Webhook, error) {
	return retryWrite(w, func() (Webhook, error) {
		h, err := s.store.Webhook(ctx, name)
		if err != nil {
			return Webhook{}, err
		}
		stored := h.Etag
		if err := compareEtag(w.Etag, stored, name); err != nil {
			return Webhook{}, err
		}
		former := h
		if err := change(&h); err != nil {
			return Webhook{}, err
		}
		h = h.withDefaults()
		if err := checkWebhook(&h); err != nil {
			return Webhook{}, err
		}
		if h.same(&former) { // also the secrets, which a caller cannot compare
			return former, nil
		}
		h.UpdateTime = s.stamp()
		h.Etag = s.newID(h.UpdateTime)
		if w.ValidateOnly {
			return h, nil
		}
		return h, s.store.ReplaceWebhook(ctx, h, stored)
	})
}

// DeleteWebhook deletes a webhook; ErrWebhookNotFound, ErrEtagMismatch.
func (s *Service) DeleteWebhook(ctx context.Context, name WebhookName, w Write) error {
	return s.store.DeleteWebhook(ctx, name, w.Etag)
}

// ReceiveWebhook puts a request as an event, and returns its id. A request that came before, as far as its signature has a time or an id
// to tell, gives the event of then. ErrRefused; an InvalidError if it cannot be an event.
func (s *Service) ReceiveWebhook(ctx context.Context, name WebhookName, r webhook.Request) (event string, repeated bool, err error) {
	h, err := s.store.Webhook(ctx, name)
	if errors.Is(err, ErrWebhookNotFound) {
		return "", false, ErrRefused
	}
	if err != nil {
		return "", false, err
	}
	now := s.stamp()
	identity, err := h.Signature.Verify(r, now)
	if err != nil || h.Disabled {
		return "", false, ErrRefused
	}
	if identity != "" {
		event, err = s.store.Receipt(ctx, name, identity, now)
		if err != nil || event != "" {
			return event, event != "", err
		}
	}
	entry, err := h.entry(r)
	if err != nil {
		return "", false, err
	}
	if identity != "" { // of requests that come at the same moment, only one becomes an event
		entry.DeduplicationID = digest("webhook", name.String(), identity)
	}
	results, err := s.PutEvents(ctx, name.On(), []Entry{entry}, false)
	if err != nil {
		return "", false, err
	}
	if results[0].Code != "" {
		return "", false, invalid(KindField, "body", results[0].Code+": "+results[0].Message)
	}
	if identity != "" {
		err = s.store.KeepReceipt(ctx, name, identity, results[0].EventID, now, now.Add(h.Signature.Remember()))
	}
	return results[0].EventID, results[0].Duplicate, err
}

// entry is what a request becomes.
func (h *Webhook) entry(r webhook.Request) (Entry, error) {
	entry := Entry{Detail: string(r.Detail(h.Headers)), Resources: []string{h.Name.String()}}
	document := r.Document(&h.Signature)
	source, err := shape.ParseParameter(h.Source)
	if err != nil {
		return Entry{}, err
	}
	detailType, err := shape.ParseParameter(h.DetailType)
	entry.Source, entry.DetailType = source.Value(document), detailType.Value(document)
	return entry, err
}
