package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/webhook"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

const webhookColumns = `project, bus_id, webhook_id, description, disabled, source, detail_type, settings, secrets, create_time,
	update_time, etag`

// forgetReceipts bounds how many receipts are removed with each that is kept.
const forgetReceipts = 20

// webhookSettings are a webhook as it is stored, without its secrets.
type webhookSettings struct {
	Scheme          webhook.Scheme    `json:"scheme"`
	Header          string            `json:"header,omitempty"`
	Prefix          string            `json:"prefix,omitempty"`
	Algorithm       webhook.Algorithm `json:"algorithm,omitempty"`
	Encoding        webhook.Encoding  `json:"encoding,omitempty"`
	TimestampHeader string            `json:"timestamp_header,omitempty"`
	Content         string            `json:"content,omitempty"`
	Tolerance       time.Duration     `json:"tolerance,omitempty"` // nanoseconds
	Headers         []string          `json:"headers,omitempty"`
}

// webhookSecrets are its secrets before they are sealed.
type webhookSecrets struct {
	Secret   string `json:"secret"`
	Previous string `json:"previous,omitempty"`
}

// encodeWebhook returns the columns settings and secrets.
func (s *Store) encodeWebhook(h *delivery.Webhook) (settings string, sealed []byte, err error) {
	g := &h.Signature
	if settings, err = encode(webhookSettings{
		Scheme: g.Scheme, Header: g.Header, Prefix: g.Prefix, Algorithm: g.Algorithm, Encoding: g.Encoding,
		TimestampHeader: g.TimestampHeader, Content: g.Content, Tolerance: g.Tolerance, Headers: h.Headers,
	}); err != nil {
		return "", nil, err
	}
	plain, err := encode(webhookSecrets{Secret: g.Secret.Reveal(), Previous: g.Previous.Reveal()})
	if err != nil {
		return "", nil, err
	}
	sealed, err = s.sealer.Seal([]byte(plain), h.Name.String())
	return settings, sealed, err
}

func (s *Store) scanWebhook(row scanner) (delivery.Webhook, error) {
	var h delivery.Webhook
	var disabled, created, updated int64
	var settings string
	var sealed []byte
	err := row.Scan(&h.Name.Project, &h.Name.Bus, &h.Name.Webhook, &h.Description, &disabled, &h.Source, &h.DetailType, &settings, &sealed,
		&created, &updated, &h.Etag)
	if err != nil {
		return h, err
	}
	h.Disabled, h.CreateTime, h.UpdateTime = disabled != 0, sqldb.Time(created), sqldb.Time(updated)
	var stored webhookSettings
	var secrets webhookSecrets
	if err := decode(settings, &stored); err != nil {
		return h, err
	}
	plain, err := s.sealer.Open(sealed, h.Name.String())
	if err != nil {
		return h, err
	}
	if err := decode(string(plain), &secrets); err != nil {
		return h, errors.New("store: the secrets of " + h.Name.String() + " are unreadable")
	}
	h.Headers = stored.Headers
	h.Signature = webhook.Signature{
		Scheme: stored.Scheme, Header: stored.Header, Prefix: stored.Prefix, Algorithm: stored.Algorithm, Encoding: stored.Encoding,
		TimestampHeader: stored.TimestampHeader, Content: stored.Content, Tolerance: stored.Tolerance,
		Secret: seal.NewSecret(secrets.Secret), Previous: seal.NewSecret(secrets.Previous),
	}
	return h, nil
}

// Webhook implements delivery.Webhooks.
func (s *Store) Webhook(ctx context.Context, name delivery.WebhookName) (delivery.Webhook, error) {
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) (delivery.Webhook, error) {
		return s.webhook(ctx, tx, name)
	})
}

func (s *Store) webhook(ctx context.Context, tx sqldb.Tx, name delivery.WebhookName) (delivery.Webhook, error) {
	h, err := s.scanWebhook(tx.QueryRowContext(ctx, `SELECT `+webhookColumns+` FROM webhooks
		WHERE project = $1 AND bus_id = $2 AND webhook_id = $3`, name.Project, name.Bus, name.Webhook))
	return h, notFound(err, delivery.ErrWebhookNotFound, name)
}

// ListWebhooks implements delivery.Webhooks.
func (s *Store) ListWebhooks(ctx context.Context, name delivery.BusName, after string, limit int) ([]delivery.Webhook, error) {
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]delivery.Webhook, error) {
		if _, err := bus(ctx, tx, name); err != nil {
			return nil, err
		}
		return collect(ctx, tx, s.scanWebhook, `SELECT `+webhookColumns+` FROM webhooks
			WHERE project = $1 AND bus_id = $2 AND webhook_id > $3 ORDER BY webhook_id LIMIT $4`, name.Project, name.Bus, after, limit)
	})
}

// CreateWebhook implements delivery.Webhooks.
func (s *Store) CreateWebhook(ctx context.Context, h delivery.Webhook) error {
	settings, sealed, err := s.encodeWebhook(&h)
	if err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := lockBus(ctx, tx, h.Name.On()); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO webhooks (`+webhookColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
			h.Name.Project, h.Name.Bus, h.Name.Webhook, h.Description, number(h.Disabled), h.Source, h.DetailType, settings, sealed,
			micros(h.CreateTime), micros(h.UpdateTime), h.Etag)
		return exists(err, h.Name)
	})
}

// ReplaceWebhook implements delivery.Webhooks.
func (s *Store) ReplaceWebhook(ctx context.Context, h delivery.Webhook, etag string) error {
	settings, sealed, err := s.encodeWebhook(&h)
	if err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		n, err := affected(ctx, tx, `UPDATE webhooks SET description = $1, disabled = $2, source = $3, detail_type = $4, settings = $5,
			secrets = $6, update_time = $7, etag = $8 WHERE project = $9 AND bus_id = $10 AND webhook_id = $11 AND etag = $12`,
			h.Description, number(h.Disabled), h.Source, h.DetailType, settings, sealed, micros(h.UpdateTime), h.Etag,
			h.Name.Project, h.Name.Bus, h.Name.Webhook, etag)
		if err != nil || n == 1 {
			return err
		}
		_, err = s.webhook(ctx, tx, h.Name)
		return errors.Join(err, mismatch(n, h.Name))
	})
}

// DeleteWebhook implements delivery.Webhooks.
func (s *Store) DeleteWebhook(ctx context.Context, name delivery.WebhookName, etag string) error {
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		stored, err := s.webhook(ctx, tx, name)
		if err != nil {
			return err
		}
		if etag != "" && etag != stored.Etag {
			return fmt.Errorf("%s: %w", name, delivery.ErrEtagMismatch)
		}
		n, err := affected(ctx, tx, `DELETE FROM webhooks WHERE project = $1 AND bus_id = $2 AND webhook_id = $3 AND etag = $4`,
			name.Project, name.Bus, name.Webhook, stored.Etag)
		if err != nil || n == 0 {
			return errors.Join(err, mismatch(n, name))
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM webhook_receipts WHERE project = $1 AND bus_id = $2 AND webhook_id = $3`,
			name.Project, name.Bus, name.Webhook)
		return err
	})
}

// Receipt implements delivery.Webhooks.
func (s *Store) Receipt(ctx context.Context, name delivery.WebhookName, identity string, now time.Time) (string, error) {
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) (event string, err error) {
		err = tx.QueryRowContext(ctx, `SELECT event_id FROM webhook_receipts
			WHERE project = $1 AND bus_id = $2 AND webhook_id = $3 AND identity = $4 AND expire_time > $5`,
			name.Project, name.Bus, name.Webhook, identity, micros(now)).Scan(&event)
		if errors.Is(err, sql.ErrNoRows) {
			return "", nil
		}
		return event, err
	})
}

// KeepReceipt implements delivery.Webhooks.
func (s *Store) KeepReceipt(ctx context.Context, name delivery.WebhookName, identity, event string, now, until time.Time) error {
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM webhook_receipts WHERE project = $1 AND bus_id = $2 AND webhook_id = $3 AND identity IN (
			SELECT identity FROM webhook_receipts WHERE project = $1 AND bus_id = $2 AND webhook_id = $3 AND expire_time <= $4
			ORDER BY expire_time LIMIT $5)`, name.Project, name.Bus, name.Webhook, micros(now), forgetReceipts); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO webhook_receipts (project, bus_id, webhook_id, identity, event_id, expire_time)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (project, bus_id, webhook_id, identity)
			DO UPDATE SET event_id = excluded.event_id, expire_time = excluded.expire_time`,
			name.Project, name.Bus, name.Webhook, identity, event, micros(until))
		return err
	})
}
