package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/buslog"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// The default bus while nothing is stored of it.
const (
	virtualEtag    = "0"
	virtualVersion = "0"
)

const busColumns = `project, bus_id, description, create_time, update_time, etag, settings`

func scanBus(row scanner) (delivery.Bus, error) {
	var b delivery.Bus
	var created, updated int64
	var text string
	err := row.Scan(&b.Name.Project, &b.Name.Bus, &b.Description, &created, &updated, &b.Etag, &text)
	if err != nil {
		return b, err
	}
	b.CreateTime, b.UpdateTime = sqldb.Time(created), sqldb.Time(updated)
	b.Settings, err = decodeBusSettings(text)
	return b, err
}

// busSettings are delivery.BusSettings as they are stored.
type busSettings struct {
	DeduplicateContent bool          `json:"deduplicate_content,omitempty"`
	MaxAge             time.Duration `json:"max_age,omitempty"`             // nanoseconds; negative: for ever
	DeadLetterAge      time.Duration `json:"dead_letter_max_age,omitempty"` // likewise
	MaxBytes           int64         `json:"max_bytes,omitempty"`
	LogLevel           buslog.Level  `json:"log_level,omitempty"`
	LogDetail          buslog.Detail `json:"log_detail,omitempty"`
}

func encodeBusSettings(s delivery.BusSettings) (string, error) {
	return encode(busSettings{
		DeduplicateContent: s.DeduplicateContent, MaxAge: s.Retention.MaxAge, DeadLetterAge: s.Retention.DeadLetterAge,
		MaxBytes: s.Retention.MaxBytes, LogLevel: s.Log.Level, LogDetail: s.Log.Detail,
	})
}

func decodeBusSettings(text string) (delivery.BusSettings, error) {
	var s busSettings
	err := decode(text, &s)
	return delivery.BusSettings{
		DeduplicateContent: s.DeduplicateContent,
		Retention:          delivery.Retention{MaxAge: s.MaxAge, DeadLetterAge: s.DeadLetterAge, MaxBytes: s.MaxBytes},
		Log:                buslog.Config{Level: s.LogLevel, Detail: s.LogDetail},
	}, err
}

// Bus implements delivery.Buses.
func (s *Store) Bus(ctx context.Context, name delivery.BusName) (delivery.Bus, error) {
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) (delivery.Bus, error) {
		b, err := bus(ctx, tx, name)
		if err == nil {
			b.Bytes, _, err = sizeOf(ctx, tx, name)
		}
		return b, err
	})
}

func bus(ctx context.Context, tx sqldb.Tx, name delivery.BusName) (delivery.Bus, error) {
	b, err := scanBus(tx.QueryRowContext(ctx, `SELECT `+busColumns+` FROM buses WHERE project = $1 AND bus_id = $2`,
		name.Project, name.Bus))
	if errors.Is(err, sql.ErrNoRows) && name.Bus == delivery.DefaultBus {
		return delivery.Bus{Name: name, Etag: virtualEtag}, nil
	}
	return b, notFound(err, delivery.ErrBusNotFound, name)
}

// ListBuses implements delivery.Buses.
func (s *Store) ListBuses(ctx context.Context, project, after string, limit int) ([]delivery.Bus, error) {
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]delivery.Bus, error) {
		list, err := collect(ctx, tx, scanBus, `SELECT `+busColumns+` FROM buses
			WHERE project = $1 AND bus_id > $2 ORDER BY bus_id LIMIT $3`, project, after, limit)
		if err != nil {
			return nil, err
		}
		name := delivery.BusName{Project: project, Bus: delivery.DefaultBus}
		standard, err := bus(ctx, tx, name)
		if err != nil {
			return nil, err
		}
		if standard.Etag == virtualEtag && after < name.Bus {
			list = insertBus(list, standard, limit)
		}
		for i := range list {
			if list[i].Bytes, _, err = sizeOf(ctx, tx, list[i].Name); err != nil {
				return nil, err
			}
		}
		return list, nil
	})
}

// insertBus puts the default bus that is not stored in its place.
func insertBus(list []delivery.Bus, standard delivery.Bus, limit int) []delivery.Bus {
	at := 0
	for at < len(list) && list[at].Name.Bus < standard.Name.Bus {
		at++
	}
	list = append(list[:at:at], append([]delivery.Bus{standard}, list[at:]...)...)
	return list[:min(len(list), limit)]
}

// CreateBus implements delivery.Buses.
func (s *Store) CreateBus(ctx context.Context, b delivery.Bus) error {
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if b.Name.Bus == delivery.DefaultBus {
			return fmt.Errorf("%s: %w", b.Name, delivery.ErrExists)
		}
		text, err := encodeBusSettings(b.Settings)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO buses (`+busColumns+`, rules_version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			b.Name.Project, b.Name.Bus, b.Description, micros(b.CreateTime), micros(b.UpdateTime), b.Etag, text, b.Etag)
		return exists(err, b.Name)
	})
}

// materialise stores the default bus if it is not yet, so that it can be locked.
func materialise(ctx context.Context, tx sqldb.Tx, name delivery.BusName) error {
	if name.Bus != delivery.DefaultBus {
		return nil
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO buses (`+busColumns+`, rules_version) VALUES ($1, $2, '', 0, 0, $3, '{}', $4)
		ON CONFLICT (project, bus_id) DO NOTHING`, name.Project, name.Bus, virtualEtag, virtualVersion)
	return err
}

// ReplaceBus implements delivery.Buses.
func (s *Store) ReplaceBus(ctx context.Context, b delivery.Bus, etag string) error {
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := materialise(ctx, tx, b.Name); err != nil {
			return err
		}
		text, err := encodeBusSettings(b.Settings)
		if err != nil {
			return err
		}
		n, err := affected(ctx, tx, `UPDATE buses SET description = $1, update_time = $2, etag = $3, settings = $4, rules_version = $3
			WHERE project = $5 AND bus_id = $6 AND etag = $7`,
			b.Description, micros(b.UpdateTime), b.Etag, text, b.Name.Project, b.Name.Bus, etag)
		if err != nil || n == 1 {
			return err
		}
		if _, err := bus(ctx, tx, b.Name); err != nil {
			return err
		}
		return fmt.Errorf("%s: %w", b.Name, delivery.ErrEtagMismatch)
	})
}

// DeleteBus implements delivery.Buses.
func (s *Store) DeleteBus(ctx context.Context, name delivery.BusName, etag string) error {
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		stored, err := bus(ctx, tx, name)
		if err != nil {
			return err
		}
		if etag != "" && etag != stored.Etag {
			return fmt.Errorf("%s: %w", name, delivery.ErrEtagMismatch)
		}
		// Locks the row: who creates a rule does so too, and so is either seen here or finds no bus.
		if n, err := affected(ctx, tx, `DELETE FROM buses WHERE project = $1 AND bus_id = $2 AND etag = $3`,
			name.Project, name.Bus, stored.Etag); err != nil || n == 0 {
			return errors.Join(err, mismatch(n, name))
		}
		return unused(ctx, tx, name)
	})
}

// unused returns ErrInUse while a bus has rules, archives, schedules or webhooks.
func unused(ctx context.Context, tx sqldb.Tx, name delivery.BusName) error {
	var kind, id string
	err := tx.QueryRowContext(ctx, `SELECT kind, id FROM (
		SELECT 'webhook' AS kind, webhook_id AS id FROM webhooks WHERE project = $1 AND bus_id = $2
		UNION ALL SELECT 'schedule', schedule_id FROM schedules WHERE project = $1 AND bus_id = $2
		UNION ALL SELECT 'rule', rule_id FROM rules WHERE project = $1 AND bus_id = $2
		UNION ALL SELECT 'archive', archive_id FROM archives WHERE project = $1 AND bus_id = $2) x LIMIT 1`,
		name.Project, name.Bus).Scan(&kind, &id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%s: %w by its %s %s", name, delivery.ErrInUse, kind, id)
}

func mismatch(n int, name fmt.Stringer) error {
	if n > 0 {
		return nil
	}
	return fmt.Errorf("%s: %w", name, delivery.ErrEtagMismatch)
}
