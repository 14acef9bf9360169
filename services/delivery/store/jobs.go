package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/jobs"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

var _ jobs.Store = (*Store)(nil)

// jobSpec is what a job is asked to do, as it is stored.
type jobSpec struct {
	Redrive  *jobRedrive `json:"redrive,omitempty"` // the rest is a replay's
	Bus      string      `json:"bus,omitempty"`
	Archive  string      `json:"archive,omitempty"`
	Archives []string    `json:"archives,omitempty"`
	Rules    []string    `json:"rules,omitempty"`
	Start    int64       `json:"start,omitempty"` // microseconds
	End      int64       `json:"end,omitempty"`
	Backfill bool        `json:"backfill,omitempty"`
}

// jobRedrive is a jobs.Redrive as it is stored.
type jobRedrive struct {
	Text        string `json:"text,omitempty"`
	Destination string `json:"to,omitempty"`
	UseRules    bool   `json:"use_rules,omitempty"`
	Of          string `json:"destination,omitempty"` // the rest is the filter
	Bus         string `json:"bus,omitempty"`
	Rule        string `json:"rule,omitempty"`
	Event       string `json:"event,omitempty"`
	ErrorCode   int    `json:"error_code,omitempty"`
	From        int64  `json:"from,omitempty"` // microseconds
	Before      int64  `json:"before,omitempty"`
}

func toJobRedrive(r *jobs.Redrive) *jobRedrive {
	f := &r.Filter
	return &jobRedrive{
		Text: r.Text, Destination: r.Destination, UseRules: r.UseRules, Of: f.Destination, Bus: f.Bus, Rule: f.Rule, Event: f.Event,
		ErrorCode: int(f.ErrorCode), From: micros(f.From), Before: micros(f.Before),
	}
}

func (r *jobRedrive) domain() jobs.Redrive {
	return jobs.Redrive{
		Text: r.Text, Destination: r.Destination, UseRules: r.UseRules,
		Filter: delivery.Filter{
			State: delivery.Dead, Destination: r.Of, Bus: r.Bus, Rule: r.Rule, Event: r.Event, ErrorCode: delivery.ErrorCode(r.ErrorCode),
			From: sqldb.Time(r.From), Before: sqldb.Time(r.Before),
		},
	}
}

// jobCursor is a jobs.Cursor as it is stored.
type jobCursor struct {
	Phase int    `json:"phase,omitempty"`
	Time  int64  `json:"time,omitempty"`
	ID    string `json:"id,omitempty"`
}

func encodeSpec(j *jobs.Job) (string, error) {
	if j.Name.Kind == jobs.KindRedrive {
		return encode(jobSpec{Redrive: toJobRedrive(&j.Redrive)})
	}
	r := &j.Replay
	return encode(jobSpec{
		Bus: r.Bus.Bus, Archive: r.Archive, Archives: r.Archives, Rules: r.Rules, Start: micros(r.Start), End: micros(r.End),
		Backfill: r.Backfill,
	})
}

func decodeSpec(text string, j *jobs.Job) error {
	var spec jobSpec
	if err := decode(text, &spec); err != nil {
		return err
	}
	if spec.Redrive != nil {
		j.Redrive = spec.Redrive.domain()
		return nil
	}
	j.Replay = jobs.Replay{
		Bus: delivery.BusName{Project: j.Name.Project, Bus: spec.Bus}, Archive: spec.Archive, Archives: spec.Archives, Rules: spec.Rules,
		Start: sqldb.Time(spec.Start), End: sqldb.Time(spec.End), Backfill: spec.Backfill,
	}
	return nil
}

func encodeCursor(c jobs.Cursor) (string, error) {
	return encode(jobCursor{Phase: c.Phase, Time: micros(c.Time), ID: c.ID})
}

const jobColumns = `project, kind, job_id, description, state, reason, spec, rate, cursor, items, effects, total, last_time, owner, fence,
	create_time, begin_time, end_time`

func scanJob(row scanner) (jobs.Job, error) {
	var j jobs.Job
	var spec, at string
	var last, created, begun, ended int64
	err := row.Scan(&j.Name.Project, &j.Name.Kind, &j.Name.ID, &j.Description, &j.State, &j.Reason, &spec, &j.Rate, &at, &j.Items,
		&j.Effects, &j.Total, &last, &j.Owner, &j.Fence, &created, &begun, &ended)
	if err != nil {
		return j, err
	}
	j.LastTime, j.CreateTime, j.BeginTime, j.EndTime = sqldb.Time(last), sqldb.Time(created), sqldb.Time(begun), sqldb.Time(ended)
	var c jobCursor
	if err := decode(at, &c); err != nil {
		return j, err
	}
	j.Cursor = jobs.Cursor{Phase: c.Phase, Time: sqldb.Time(c.Time), ID: c.ID}
	return j, decodeSpec(spec, &j)
}

// CreateJob implements jobs.Jobs.
func (s *Store) CreateJob(ctx context.Context, j jobs.Job, limit int) error {
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error { return insertJob(ctx, tx, &j, limit) })
}

// CreateRuleWith implements jobs.Jobs.
func (s *Store) CreateRuleWith(ctx context.Context, r delivery.Rule, j jobs.Job, limit int) error {
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if err := insertRule(ctx, tx, &r); err != nil {
			return err
		}
		return insertJob(ctx, tx, &j, limit)
	})
}

func insertJob(ctx context.Context, tx sqldb.Tx, j *jobs.Job, limit int) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO job_counts (project, kind, created) VALUES ($1, $2, 1)
		ON CONFLICT (project, kind) DO UPDATE SET created = job_counts.created + 1`, j.Name.Project, int(j.Name.Kind)); err != nil {
		return err
	}
	var open int
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM jobs WHERE project = $1 AND kind = $2 AND state IN (1, 2, 3, 7)`,
		j.Name.Project, int(j.Name.Kind)).Scan(&open)
	if err != nil {
		return err
	}
	if open >= limit {
		return fmt.Errorf("%s: %d of the project have not ended: %w", j.Name, open, jobs.ErrLimit)
	}
	spec, err := encodeSpec(j)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO jobs (`+jobColumns+`)
		VALUES ($1, $2, $3, $4, $5, '', $6, $7, '{}', 0, 0, $8, 0, '', 0, $9, 0, 0)`, j.Name.Project, int(j.Name.Kind), j.Name.ID,
		j.Description, int(j.State), spec, j.Rate, j.Total, micros(j.CreateTime))
	return exists(err, j.Name)
}

// Job implements jobs.Jobs.
func (s *Store) Job(ctx context.Context, name jobs.Name) (jobs.Job, error) {
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) (jobs.Job, error) { return job(ctx, tx, name) })
}

func job(ctx context.Context, tx sqldb.Tx, name jobs.Name) (jobs.Job, error) {
	j, err := scanJob(tx.QueryRowContext(ctx, `SELECT `+jobColumns+` FROM jobs WHERE project = $1 AND kind = $2 AND job_id = $3`,
		name.Project, int(name.Kind), name.ID))
	return j, notFound(err, name.Kind.NotFound(), name)
}

// ListJobs implements jobs.Jobs.
func (s *Store) ListJobs(ctx context.Context, project string, kind jobs.Kind, after string, limit int) ([]jobs.Job, error) {
	return reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]jobs.Job, error) {
		return collect(ctx, tx, scanJob, `SELECT `+jobColumns+` FROM jobs WHERE project = $1 AND kind = $2 AND job_id > $3
			ORDER BY job_id LIMIT $4`, project, int(kind), after, limit)
	})
}

// SetState implements jobs.Jobs.
func (s *Store) SetState(ctx context.Context, name jobs.Name, from []jobs.State, to jobs.State) (jobs.Job, error) {
	return writing(ctx, s, func(ctx context.Context, tx sqldb.Tx) (jobs.Job, error) {
		j, err := job(ctx, tx, name)
		if err != nil {
			return j, err
		}
		n := 0
		if slices.Contains(from, j.State) {
			n, err = affected(ctx, tx, `UPDATE jobs SET state = $1 WHERE project = $2 AND kind = $3 AND job_id = $4 AND state = $5`,
				int(to), name.Project, int(name.Kind), name.ID, int(j.State))
		}
		if err == nil && n == 0 {
			err = fmt.Errorf("%s is %s: %w", name, j.State, delivery.ErrStateConflict)
		}
		j.State = to
		return j, err
	})
}

// DeleteJob implements jobs.Jobs.
func (s *Store) DeleteJob(ctx context.Context, name jobs.Name) error {
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		j, err := job(ctx, tx, name)
		if err != nil {
			return err
		}
		n, err := affected(ctx, tx, `DELETE FROM jobs WHERE project = $1 AND kind = $2 AND job_id = $3 AND state IN (4, 5, 6)`,
			name.Project, int(name.Kind), name.ID)
		if err == nil && n == 0 {
			err = fmt.Errorf("%s is %s: %w", name, j.State, delivery.ErrStateConflict)
		}
		return err
	})
}

// ClaimJobs implements jobs.Jobs. An instance is known from its first beat until others have taken over what it had.
func (s *Store) ClaimJobs(ctx context.Context, owner string, limit int) ([]jobs.Job, error) {
	scan := func(row scanner) (n jobs.Name, err error) {
		err = row.Scan(&n.Project, &n.Kind, &n.ID)
		return n, err
	}
	some, err := reading(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]jobs.Name, error) {
		return collect(ctx, tx, scan, abandoned, owner, limit)
	})
	if err != nil || len(some) == 0 { // most of the time, without a write
		return nil, err
	}
	return writing(ctx, s, func(ctx context.Context, tx sqldb.Tx) ([]jobs.Job, error) {
		return collect(ctx, tx, scanJob, s.claiming(abandoned, drive), owner, limit)
	})
}

// ReleaseJob implements jobs.Jobs.
func (s *Store) ReleaseJob(ctx context.Context, j jobs.Job) error {
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE jobs SET owner = '' WHERE project = $1 AND kind = $2 AND job_id = $3 AND owner = $4 AND fence = $5`,
			j.Name.Project, int(j.Name.Kind), j.Name.ID, j.Owner, j.Fence)
		return err
	})
}

// UpdateJob implements jobs.Jobs.
func (s *Store) UpdateJob(ctx context.Context, j jobs.Job, from jobs.State) error {
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error { return updateJob(ctx, tx, &j, from) })
}

func updateJob(ctx context.Context, tx sqldb.Tx, j *jobs.Job, from jobs.State) error {
	at, err := encodeCursor(j.Cursor)
	if err != nil {
		return err
	}
	n, err := affected(ctx, tx, `UPDATE jobs SET state = $1, reason = $2, cursor = $3, items = $4, effects = $5, last_time = $6,
		begin_time = $7, end_time = $8 WHERE project = $9 AND kind = $10 AND job_id = $11 AND owner = $12 AND fence = $13 AND state = $14`,
		int(j.State), j.Reason, at, j.Items, j.Effects, micros(j.LastTime), micros(j.BeginTime), micros(j.EndTime),
		j.Name.Project, int(j.Name.Kind), j.Name.ID, j.Owner, j.Fence, int(from))
	if err == nil && n == 0 {
		err = fmt.Errorf("%s: %w", j.Name, jobs.ErrLost)
	}
	return err
}
