package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

const scheduleColumns = `project, bus_id, schedule_id, description, expression, time_zone, start_time, end_time, disabled, source,
	detail_type, detail, missed_runs, anchor, next_run, last_run, create_time, update_time, etag`

// Queries of schedules.
const (
	listSchedules = `SELECT ` + scheduleColumns + ` FROM schedules
		WHERE project = $1 AND bus_id = $2 AND schedule_id > $3 ORDER BY schedule_id LIMIT $4`
	dueSchedules = `SELECT ` + scheduleColumns + ` FROM schedules WHERE next_run > 0 AND next_run <= $1 ORDER BY next_run LIMIT $2`
	nextSchedule = `SELECT MIN(next_run) FROM schedules WHERE next_run > 0`
)

func scanSchedule(row scanner) (delivery.Schedule, error) {
	var x delivery.Schedule
	var start, end, disabled, anchor, next, last, created, updated int64
	err := row.Scan(&x.Name.Project, &x.Name.Bus, &x.Name.Schedule, &x.Description, &x.Timing.Expression, &x.Timing.TimeZone, &start, &end,
		&disabled, &x.Source, &x.DetailType, &x.Detail, &x.Missed, &anchor, &next, &last, &created, &updated, &x.Etag)
	x.Timing.StartTime, x.Timing.EndTime, x.Timing.Disabled = sqldb.Time(start), sqldb.Time(end), disabled != 0
	x.Anchor, x.NextRun, x.LastRun = sqldb.Time(anchor), sqldb.Time(next), sqldb.Time(last)
	x.CreateTime, x.UpdateTime = sqldb.Time(created), sqldb.Time(updated)
	return x, err
}

// Schedule implements delivery.Schedules.
func (s *Store) Schedule(ctx context.Context, name delivery.ScheduleName) (delivery.Schedule, error) {
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) (delivery.Schedule, error) {
		return oneSchedule(ctx, tx, name)
	})
}

func oneSchedule(ctx context.Context, tx sqldb.Tx, name delivery.ScheduleName) (delivery.Schedule, error) {
	x, err := scanSchedule(tx.QueryRowContext(ctx, `SELECT `+scheduleColumns+` FROM schedules
		WHERE project = $1 AND bus_id = $2 AND schedule_id = $3`, name.Project, name.Bus, name.Schedule))
	return x, notFound(err, delivery.ErrScheduleNotFound, name)
}

// ListSchedules implements delivery.Schedules.
func (s *Store) ListSchedules(ctx context.Context, name delivery.BusName, after string, limit int) ([]delivery.Schedule, error) {
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]delivery.Schedule, error) {
		if _, err := bus(ctx, tx, name); err != nil {
			return nil, err
		}
		return collect(ctx, tx, scanSchedule, listSchedules, name.Project, name.Bus, after, limit)
	})
}

// lockBus locks a bus's row against deletion; ErrBusNotFound.
func lockBus(ctx context.Context, tx sqldb.Tx, name delivery.BusName) error {
	if err := materialise(ctx, tx, name); err != nil {
		return err
	}
	n, err := affected(ctx, tx, `UPDATE buses SET update_time = update_time WHERE project = $1 AND bus_id = $2`, name.Project, name.Bus)
	if err == nil && n == 0 {
		err = fmt.Errorf("%s: %w", name, delivery.ErrBusNotFound)
	}
	return err
}

// CreateSchedule implements delivery.Schedules.
func (s *Store) CreateSchedule(ctx context.Context, x delivery.Schedule) error {
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := lockBus(ctx, tx, x.Name.On()); err != nil {
			return err
		}
		t := x.Timing
		_, err := tx.ExecContext(ctx, `INSERT INTO schedules (`+scheduleColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`,
			x.Name.Project, x.Name.Bus, x.Name.Schedule, x.Description, t.Expression, t.TimeZone, micros(t.StartTime), micros(t.EndTime),
			number(t.Disabled), x.Source, x.DetailType, x.Detail, int(x.Missed), micros(x.Anchor), micros(x.NextRun), micros(x.LastRun),
			micros(x.CreateTime), micros(x.UpdateTime), x.Etag)
		return exists(err, x.Name)
	})
}

// ReplaceSchedule implements delivery.Schedules.
func (s *Store) ReplaceSchedule(ctx context.Context, x, stored delivery.Schedule) error {
	t := x.Timing
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		n, err := affected(ctx, tx, `UPDATE schedules SET description = $1, source = $2, detail_type = $3, detail = $4, missed_runs = $5,
			update_time = $6, etag = $7 WHERE project = $8 AND bus_id = $9 AND schedule_id = $10 AND etag = $11`,
			x.Description, x.Source, x.DetailType, x.Detail, int(x.Missed), micros(x.UpdateTime), x.Etag,
			x.Name.Project, x.Name.Bus, x.Name.Schedule, stored.Etag)
		if err == nil && n == 1 && t != stored.Timing {
			n, err = affected(ctx, tx, `UPDATE schedules SET expression = $1, time_zone = $2, start_time = $3, end_time = $4, disabled = $5,
				anchor = $6, next_run = $7 WHERE project = $8 AND bus_id = $9 AND schedule_id = $10 AND last_run = $11`,
				t.Expression, t.TimeZone, micros(t.StartTime), micros(t.EndTime), number(t.Disabled), micros(x.Anchor), micros(x.NextRun),
				x.Name.Project, x.Name.Bus, x.Name.Schedule, micros(stored.LastRun))
		}
		if err != nil || n == 1 {
			return err
		}
		_, err = oneSchedule(ctx, tx, x.Name)
		return errors.Join(err, mismatch(n, x.Name))
	})
}

// DeleteSchedule implements delivery.Schedules.
func (s *Store) DeleteSchedule(ctx context.Context, name delivery.ScheduleName, etag string) error {
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		stored, err := oneSchedule(ctx, tx, name)
		if err != nil {
			return err
		}
		if etag != "" && etag != stored.Etag {
			return fmt.Errorf("%s: %w", name, delivery.ErrEtagMismatch)
		}
		n, err := affected(ctx, tx, `DELETE FROM schedules WHERE project = $1 AND bus_id = $2 AND schedule_id = $3 AND etag = $4`,
			name.Project, name.Bus, name.Schedule, stored.Etag)
		return errors.Join(err, mismatch(n, name))
	})
}

// DueSchedules implements delivery.Schedules.
func (s *Store) DueSchedules(ctx context.Context, now time.Time, limit int) (due []delivery.Schedule, next time.Time, err error) {
	due, err = reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]delivery.Schedule, error) {
		next = time.Time{}
		due, err := collect(ctx, tx, scanSchedule, dueSchedules, micros(now), limit)
		if err != nil || len(due) > 0 {
			return due, err
		}
		var first sql.NullInt64
		err = tx.QueryRowContext(ctx, nextSchedule).Scan(&first)
		next = sqldb.Time(first.Int64)
		return nil, err
	})
	return due, next, err
}

// PassTick implements delivery.Schedules.
func (s *Store) PassTick(ctx context.Context, t delivery.Tick) error {
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error { return passTick(ctx, tx, &t) })
}

func passTick(ctx context.Context, tx sqldb.Tx, t *delivery.Tick) error {
	n, err := affected(ctx, tx, `UPDATE schedules SET next_run = $1, last_run = CASE WHEN CAST($2 AS BIGINT) > 0 THEN CAST($2 AS BIGINT) ELSE last_run END
		WHERE project = $3 AND bus_id = $4 AND schedule_id = $5 AND etag = $6 AND next_run = $7`, micros(t.Next), micros(t.Ran),
		t.Schedule.Project, t.Schedule.Bus, t.Schedule.Schedule, t.Etag, micros(t.Due))
	if err == nil && n == 0 {
		err = fmt.Errorf("%s: %w", t.Schedule, delivery.ErrTickTaken)
	}
	return err
}
