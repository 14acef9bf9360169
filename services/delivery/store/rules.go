package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

const ruleColumns = `project, bus_id, rule_id, description, event_pattern, disabled, targets, create_time, update_time, etag`

func scanRule(row scanner) (delivery.Rule, error) {
	var r delivery.Rule
	var disabled, created, updated int64
	var targets string
	err := row.Scan(&r.Name.Project, &r.Name.Bus, &r.Name.Rule, &r.Description, &r.EventPattern, &disabled, &targets,
		&created, &updated, &r.Etag)
	if err != nil {
		return r, err
	}
	r.Disabled, r.CreateTime, r.UpdateTime = disabled != 0, sqldb.Time(created), sqldb.Time(updated)
	r.Targets, err = decodeTargets(targets)
	return r, err
}

// Rule implements delivery.Rules.
func (s *Store) Rule(ctx context.Context, name delivery.RuleName) (delivery.Rule, error) {
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) (delivery.Rule, error) {
		return rule(ctx, tx, name)
	})
}

func rule(ctx context.Context, tx sqldb.Tx, name delivery.RuleName) (delivery.Rule, error) {
	r, err := scanRule(tx.QueryRowContext(ctx, `SELECT `+ruleColumns+` FROM rules
		WHERE project = $1 AND bus_id = $2 AND rule_id = $3`, name.Project, name.Bus, name.Rule))
	return r, notFound(err, delivery.ErrRuleNotFound, name)
}

// ListRules implements delivery.Rules.
func (s *Store) ListRules(ctx context.Context, name delivery.BusName, after string, limit int) ([]delivery.Rule, error) {
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]delivery.Rule, error) {
		if _, err := bus(ctx, tx, name); err != nil {
			return nil, err
		}
		return collect(ctx, tx, scanRule, `SELECT `+ruleColumns+` FROM rules
			WHERE project = $1 AND bus_id = $2 AND rule_id > $3 ORDER BY rule_id LIMIT $4`, name.Project, name.Bus, after, limit)
	})
}

// RuleSet implements delivery.Rules.
func (s *Store) RuleSet(ctx context.Context, name delivery.BusName) (delivery.RuleSet, error) {
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) (delivery.RuleSet, error) {
		version, err := rulesVersion(ctx, tx, name)
		if err != nil {
			return delivery.RuleSet{}, err
		}
		return ruleSet(ctx, tx, name, version)
	})
}

// ruleSet reads what a bus matches events with, of which the version is known.
func ruleSet(ctx context.Context, tx sqldb.Tx, name delivery.BusName, version string) (delivery.RuleSet, error) {
	set := delivery.RuleSet{Version: version}
	var err error
	if set.Rules, err = enabledRules(ctx, tx, name); err != nil {
		return set, err
	}
	if set.Archives, err = enabledArchives(ctx, tx, name); err != nil {
		return set, err
	}
	b, err := bus(ctx, tx, name)
	set.Settings = b.Settings
	return set, err
}

func rulesVersion(ctx context.Context, tx sqldb.Tx, name delivery.BusName) (string, error) {
	var version string
	err := tx.QueryRowContext(ctx, `SELECT rules_version FROM buses WHERE project = $1 AND bus_id = $2`,
		name.Project, name.Bus).Scan(&version)
	if errors.Is(err, sql.ErrNoRows) && name.Bus == delivery.DefaultBus {
		return virtualVersion, nil
	}
	return version, notFound(err, delivery.ErrBusNotFound, name)
}

func enabledRules(ctx context.Context, tx sqldb.Tx, name delivery.BusName) ([]delivery.Rule, error) {
	return collect(ctx, tx, scanRule, `SELECT `+ruleColumns+` FROM rules
		WHERE project = $1 AND bus_id = $2 AND disabled = 0 ORDER BY rule_id`, name.Project, name.Bus)
}

// CreateRule implements delivery.Rules.
func (s *Store) CreateRule(ctx context.Context, r delivery.Rule) error {
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error { return insertRule(ctx, tx, &r) })
}

func insertRule(ctx context.Context, tx sqldb.Tx, r *delivery.Rule) error {
	if err := lockForRule(ctx, tx, r); err != nil {
		return err
	}
	targets, err := encodeTargets(r.Targets)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO rules (`+ruleColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		r.Name.Project, r.Name.Bus, r.Name.Rule, r.Description, r.EventPattern, number(r.Disabled), targets,
		micros(r.CreateTime), micros(r.UpdateTime), r.Etag)
	if err != nil {
		return exists(err, r.Name)
	}
	return insertUses(ctx, tx, r)
}

// lockForRule gives the bus a new version of its rules, and locks it and the rule's destinations against deletion.
func lockForRule(ctx context.Context, tx sqldb.Tx, r *delivery.Rule) error {
	name := r.Name.On()
	if err := newVersion(ctx, tx, name, r.Etag); err != nil {
		return err
	}
	for _, destination := range destinationsOf(r) {
		n, err := affected(ctx, tx, `UPDATE destinations SET update_time = update_time WHERE project = $1 AND destination_id = $2`,
			r.Name.Project, destination)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("%s: %w", delivery.DestinationName{Project: r.Name.Project, Destination: destination},
				delivery.ErrDestinationNotFound)
		}
	}
	return nil
}

// newVersion marks the rules of a bus as changed. version must be new: the changed rule's etag, or another ULID.
func newVersion(ctx context.Context, tx sqldb.Tx, name delivery.BusName, version string) error {
	if err := materialise(ctx, tx, name); err != nil {
		return err
	}
	n, err := affected(ctx, tx, `UPDATE buses SET rules_version = $1 WHERE project = $2 AND bus_id = $3`,
		version, name.Project, name.Bus)
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("%s: %w", name, delivery.ErrBusNotFound)
	}
	return nil
}

// destinationsOf returns the destinations of a rule's targets, sorted, so that locks are taken in one order.
func destinationsOf(r *delivery.Rule) []string {
	var list []string
	for i := range r.Targets {
		list = append(list, r.Targets[i].Destination)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func insertUses(ctx context.Context, tx sqldb.Tx, r *delivery.Rule) error {
	for _, destination := range destinationsOf(r) {
		if _, err := tx.ExecContext(ctx, `INSERT INTO rule_destinations (project, destination_id, bus_id, rule_id)
			VALUES ($1, $2, $3, $4)`, r.Name.Project, destination, r.Name.Bus, r.Name.Rule); err != nil {
			return err
		}
	}
	return nil
}

func deleteUses(ctx context.Context, tx sqldb.Tx, name delivery.RuleName) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM rule_destinations WHERE project = $1 AND bus_id = $2 AND rule_id = $3`,
		name.Project, name.Bus, name.Rule)
	return err
}

// ReplaceRule implements delivery.Rules.
func (s *Store) ReplaceRule(ctx context.Context, r delivery.Rule, etag string, cancel []delivery.Cancellation) error {
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := lockForRule(ctx, tx, &r); err != nil {
			return err
		}
		targets, err := encodeTargets(r.Targets)
		if err != nil {
			return err
		}
		n, err := affected(ctx, tx, `UPDATE rules SET description = $1, event_pattern = $2, disabled = $3, targets = $4,
			update_time = $5, etag = $6 WHERE project = $7 AND bus_id = $8 AND rule_id = $9 AND etag = $10`,
			r.Description, r.EventPattern, number(r.Disabled), targets, micros(r.UpdateTime), r.Etag,
			r.Name.Project, r.Name.Bus, r.Name.Rule, etag)
		if err != nil {
			return err
		}
		if n == 0 {
			_, err := rule(ctx, tx, r.Name)
			return errors.Join(err, mismatch(n, r.Name))
		}
		if err := deleteUses(ctx, tx, r.Name); err != nil {
			return err
		}
		for _, c := range cancel {
			if err := insertCancellation(ctx, tx, c); err != nil {
				return err
			}
		}
		return insertUses(ctx, tx, &r)
	})
}

// DeleteRule implements delivery.Rules.
func (s *Store) DeleteRule(ctx context.Context, name delivery.RuleName, etag string, cancel delivery.Cancellation) error {
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		stored, err := rule(ctx, tx, name)
		if err != nil {
			return err
		}
		if etag != "" && etag != stored.Etag {
			return fmt.Errorf("%s: %w", name, delivery.ErrEtagMismatch)
		}
		if err := newVersion(ctx, tx, name.On(), cancel.ID); err != nil {
			return err
		}
		n, err := affected(ctx, tx, `DELETE FROM rules WHERE project = $1 AND bus_id = $2 AND rule_id = $3 AND etag = $4`,
			name.Project, name.Bus, name.Rule, stored.Etag)
		if err != nil || n == 0 {
			return errors.Join(err, mismatch(n, name))
		}
		if err := deleteUses(ctx, tx, name); err != nil {
			return err
		}
		return insertCancellation(ctx, tx, cancel)
	})
}
