package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/interfaces"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

const insertInterface = `
INSERT INTO interfaces (project, interface_id, uid, description, definition, operations, mappings, version, create_time, update_time)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (project, interface_id) DO NOTHING`

// CreateInterface implements interfaces.Store.
func (s *Store) CreateInterface(ctx context.Context, i interfaces.Interface) error {
	operations, mappings, err := namesOf(i)
	if err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		created, err := affected(tx.ExecContext(ctx, insertInterface, i.Name.Project, i.Name.ID, i.UID, i.Description, i.Definition, operations,
			mappings, i.Version, sqldb.Micros(i.CreateTime), sqldb.Micros(i.UpdateTime)))
		if err == nil && !created {
			err = fmt.Errorf("%w: %s", connection.ErrExists, i.Name)
		}
		return err
	})
}

func namesOf(i interfaces.Interface) (operations, mappings string, err error) {
	first, err := json.Marshal(i.Operations)
	if err != nil {
		return "", "", fmt.Errorf("connection store: encode operations of %s: %w", i.Name, err)
	}
	second, err := json.Marshal(i.Mappings)
	if err != nil {
		return "", "", fmt.Errorf("connection store: encode mappings of %s: %w", i.Name, err)
	}
	return string(first), string(second), nil
}

const interfaceColumns = `project, interface_id, uid, description, operations, mappings, version, create_time, update_time`

const selectInterface = `SELECT ` + interfaceColumns + `, definition FROM interfaces WHERE project = $1 AND interface_id = $2`

// GetInterface implements interfaces.Store.
func (s *Store) GetInterface(ctx context.Context, name interfaces.Name) (i interfaces.Interface, err error) {
	err = s.read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		var definition string
		var err error
		i, err = scanInterface(tx.QueryRowContext(ctx, selectInterface, name.Project, name.ID), &definition)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("%w: %s", interfaces.ErrNotFound, name)
		}
		i.Definition = definition
		return err
	})
	return i, err
}

const selectInterfaces = `SELECT ` + interfaceColumns + ` FROM interfaces
WHERE project = $1 AND interface_id > $2 ORDER BY interface_id LIMIT $3`

// ListInterfaces implements interfaces.Store.
func (s *Store) ListInterfaces(ctx context.Context, project, after string, limit int) ([]interfaces.Interface, error) {
	return queryRows(ctx, s, func(row scanner) (interfaces.Interface, error) { return scanInterface(row) }, selectInterfaces, project, after, limit)
}

// scanInterface reads a row of interfaceColumns, followed by what more was selected.
func scanInterface(row scanner, more ...any) (interfaces.Interface, error) {
	var i interfaces.Interface
	var operations, mappings string
	var created, updated int64
	dest := []any{&i.Name.Project, &i.Name.ID, &i.UID, &i.Description, &operations, &mappings, &i.Version, &created, &updated}
	if err := row.Scan(append(dest, more...)...); err != nil {
		return interfaces.Interface{}, err
	}
	i.CreateTime, i.UpdateTime = sqldb.Time(created), sqldb.Time(updated)
	if err := errors.Join(json.Unmarshal([]byte(operations), &i.Operations), json.Unmarshal([]byte(mappings), &i.Mappings)); err != nil {
		return interfaces.Interface{}, fmt.Errorf("%s: decode names: %w", i.Name, err)
	}
	return i, nil
}

const updateInterface = `
UPDATE interfaces SET description = $5, definition = $6, operations = $7, mappings = $8, version = version + 1, update_time = $9
WHERE project = $1 AND interface_id = $2 AND uid = $3 AND version = $4`

// UpdateInterface implements interfaces.Store.
func (s *Store) UpdateInterface(ctx context.Context, i interfaces.Interface) error {
	operations, mappings, err := namesOf(i)
	if err != nil {
		return err
	}
	return s.changeInterface(ctx, i, updateInterface, i.Description, i.Definition, operations, mappings, sqldb.Micros(i.UpdateTime))
}

const deleteInterface = `DELETE FROM interfaces WHERE project = $1 AND interface_id = $2 AND uid = $3 AND version = $4`

// DeleteInterface implements interfaces.Store.
func (s *Store) DeleteInterface(ctx context.Context, i interfaces.Interface) error {
	return s.changeInterface(ctx, i, deleteInterface)
}

// changeInterface runs a statement on the interface if it is as it was read.
func (s *Store) changeInterface(ctx context.Context, i interfaces.Interface, statement string, more ...any) error {
	args := append([]any{i.Name.Project, i.Name.ID, i.UID, i.Version}, more...)
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		changed, err := affected(tx.ExecContext(ctx, statement, args...))
		if err == nil && !changed {
			err = fmt.Errorf("%w: %s", connection.ErrStale, i.Name)
		}
		return err
	})
}
