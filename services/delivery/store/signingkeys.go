package store

import (
	"context"
	"fmt"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

// SigningKeys implements delivery.SigningKeys.
func (s *Store) SigningKeys(ctx context.Context, on delivery.DestinationName, now time.Time) ([]delivery.SigningKey, error) {
	scan := func(row scanner) (k delivery.SigningKey, err error) {
		var sealed []byte
		var created, expires int64
		if err = row.Scan(&k.Name.Project, &k.Name.Destination, &k.Name.Key, &k.Algorithm, &k.PublicKey, &sealed, &created,
			&expires); err != nil {
			return k, err
		}
		k.CreateTime, k.ExpireTime = sqldb.Time(created), sqldb.Time(expires)
		secret, err := s.sealer.Open(sealed, k.Name.String())
		k.Secret = seal.NewSecret(string(secret))
		return k, err
	}
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]delivery.SigningKey, error) {
		return collect(ctx, tx, scan, `SELECT project, destination_id, key_id, algorithm, public_key, sealed, create_time,
			expire_time FROM signing_keys
			WHERE project = $1 AND destination_id = $2 AND (expire_time = 0 OR expire_time > $3) ORDER BY key_id`,
			on.Project, on.Destination, micros(now))
	})
}

// AddSigningKey implements delivery.SigningKeys.
func (s *Store) AddSigningKey(ctx context.Context, k delivery.SigningKey, now, retire time.Time, limit int) error {
	on := k.Name.On()
	sealed, err := s.sealer.Seal([]byte(k.Secret.Reveal()), k.Name.String())
	if err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		// Locks the row: keys are counted one creation after the other.
		n, err := affected(ctx, tx, `UPDATE destinations SET pause_reason = pause_reason WHERE project = $1 AND destination_id = $2`,
			on.Project, on.Destination)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("%s: %w", on, delivery.ErrDestinationNotFound)
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM signing_keys
			WHERE project = $1 AND destination_id = $2 AND expire_time > 0 AND expire_time <= $3`,
			on.Project, on.Destination, micros(now)); err != nil {
			return err
		}
		if !retire.IsZero() {
			if _, err := tx.ExecContext(ctx, `UPDATE signing_keys SET expire_time = $1
				WHERE project = $2 AND destination_id = $3 AND (expire_time = 0 OR expire_time > $1)`,
				micros(retire), on.Project, on.Destination); err != nil {
				return err
			}
		}
		var count int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM signing_keys WHERE project = $1 AND destination_id = $2`,
			on.Project, on.Destination).Scan(&count); err != nil {
			return err
		}
		if count >= limit {
			return fmt.Errorf("%s: %w: it has %d signing keys; delete one first", on, delivery.ErrLimit, count)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO signing_keys (project, destination_id, key_id, algorithm, public_key, sealed,
			create_time, expire_time) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			on.Project, on.Destination, k.Name.Key, int(k.Algorithm), k.PublicKey, sealed, micros(k.CreateTime),
			micros(k.ExpireTime)); err != nil {
			return err
		}
		return s.publish(ctx, tx, delivery.Change{Destination: &on})
	})
}

// DeleteSigningKey implements delivery.SigningKeys.
func (s *Store) DeleteSigningKey(ctx context.Context, name delivery.SigningKeyName) error {
	on := name.On()
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		n, err := affected(ctx, tx, `DELETE FROM signing_keys WHERE project = $1 AND destination_id = $2 AND key_id = $3`,
			name.Project, name.Destination, name.Key)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("%s: %w", name, delivery.ErrSigningKeyNotFound)
		}
		return s.publish(ctx, tx, delivery.Change{Destination: &on})
	})
}
