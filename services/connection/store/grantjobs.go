package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/grantjobs"
	"github.com/freshet-io/freshet/services/internal/sqldb"
)

var _ grantjobs.Store = (*Store)(nil)

const (
	jobColumns = `project, job_id, action, connection_id, grant_state, end_user, expire_before, skip_revocation, subject, state, matched, ended,
  skipped, after_expire, after_connection, after_grant, owner, fence, create_time, finish_time`

	insertJob = `INSERT INTO grant_jobs (` + jobColumns + `, claim_until)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'RUNNING', $10, 0, 0, 0, '', '', '', 0, $11, 0, 0) ON CONFLICT DO NOTHING`

	countRunning = `SELECT COUNT(*) FROM grant_jobs WHERE project = $1 AND state = 'RUNNING'`

	selectJob = `SELECT ` + jobColumns + ` FROM grant_jobs WHERE project = $1 AND job_id = $2`

	selectErasure = `SELECT ` + jobColumns + ` FROM grant_jobs WHERE project = $1 AND subject = $2 AND subject <> '' AND state = 'RUNNING'`

	selectJobs = `SELECT ` + jobColumns + ` FROM grant_jobs WHERE project = $1 AND job_id > $2 ORDER BY job_id LIMIT $3`

	selectUnclaimed = `SELECT ` + jobColumns + ` FROM grant_jobs WHERE state = 'RUNNING' AND claim_until <= $1 ORDER BY claim_until LIMIT $2`

	// claimJob fails for the second of two instances that have read the same.
	claimJob = `UPDATE grant_jobs SET owner = $4, fence = fence + 1, claim_until = $5
WHERE project = $1 AND job_id = $2 AND fence = $3 AND state = 'RUNNING'`

	updateJob = `UPDATE grant_jobs SET end_user = $5, state = $6, ended = $7, skipped = $8, after_expire = $9, after_connection = $10,
  after_grant = $11, finish_time = $12, claim_until = $13
WHERE project = $1 AND job_id = $2 AND owner = $3 AND fence = $4 AND state = 'RUNNING'`

	cancelJob = `UPDATE grant_jobs SET state = 'CANCELLED', finish_time = $3, end_user = CASE WHEN subject = '' THEN end_user ELSE '' END
WHERE project = $1 AND job_id = $2 AND state = 'RUNNING'`

	deleteJob = `DELETE FROM grant_jobs WHERE project = $1 AND job_id = $2 AND state <> 'RUNNING'`

	countGrants = `SELECT COUNT(*) FROM grants WHERE project = $1 AND ($2 = '' OR connection_id = $2) AND ($3 = '' OR state = $3)
  AND ($4 = '' OR end_user = $4) AND (expire_time > 0 AND expire_time < $5 OR $5 = 0)`
)

// CreateJob implements grantjobs.Store.
func (s *Store) CreateJob(ctx context.Context, j grantjobs.Job, limit int) error {
	f := j.Filter
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		var running int
		if err := tx.QueryRowContext(ctx, countRunning, j.Name.Project).Scan(&running); err != nil {
			return err
		}
		if running >= limit {
			return fmt.Errorf("%w: %d jobs of the project have not ended", grantjobs.ErrLimit, running)
		}
		created, err := affected(tx.ExecContext(ctx, insertJob, j.Name.Project, j.Name.ID, string(j.Action), f.Connection, string(f.State),
			f.EndUser, sqldb.Micros(f.ExpireBefore), flag(j.SkipRevocation), j.Subject, j.Matched, sqldb.Micros(j.CreateTime)))
		if err == nil && !created {
			err = fmt.Errorf("%w: %s", grantjobs.ErrExists, j.Name)
		}
		return err
	})
}

// Job implements grantjobs.Store.
func (s *Store) Job(ctx context.Context, name grantjobs.Name) (grantjobs.Job, error) {
	return s.oneJob(ctx, name.String(), selectJob, name.Project, name.ID)
}

// Erasure implements grantjobs.Store.
func (s *Store) Erasure(ctx context.Context, project, subject string) (grantjobs.Job, error) {
	return s.oneJob(ctx, "erasure", selectErasure, project, subject)
}

func (s *Store) oneJob(ctx context.Context, what, query string, args ...any) (j grantjobs.Job, err error) {
	err = s.read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		j, err = scanJob(tx.QueryRowContext(ctx, query, args...))
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("%w: %s", grantjobs.ErrNotFound, what)
		}
		return err
	})
	return j, err
}

// ListJobs implements grantjobs.Store.
func (s *Store) ListJobs(ctx context.Context, project, after string, limit int) ([]grantjobs.Job, error) {
	return queryRows(ctx, s, scanJob, selectJobs, project, after, limit)
}

// ClaimJobs implements grantjobs.Store.
func (s *Store) ClaimJobs(ctx context.Context, owner string, now, until time.Time, limit int) ([]grantjobs.Job, error) {
	free, err := queryRows(ctx, s, scanJob, selectUnclaimed, sqldb.Micros(now), limit)
	if err != nil || len(free) == 0 { // most of the time, without a write
		return nil, err
	}
	var claimed []grantjobs.Job
	err = s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		claimed = nil
		for _, j := range free {
			won, err := affected(tx.ExecContext(ctx, claimJob, j.Name.Project, j.Name.ID, j.Fence, owner, sqldb.Micros(until)))
			if err != nil {
				return err
			}
			if won {
				j.Owner, j.Fence = owner, j.Fence+1
				claimed = append(claimed, j)
			}
		}
		return nil
	})
	return claimed, err
}

// UpdateJob implements grantjobs.Store.
func (s *Store) UpdateJob(ctx context.Context, j grantjobs.Job, until time.Time) error {
	return s.onJob(ctx, fmt.Errorf("%w: %s", grantjobs.ErrLost, j.Name), updateJob, j.Name.Project, j.Name.ID, j.Owner, j.Fence,
		j.Filter.EndUser, string(j.State), j.Ended, j.Skipped, sqldb.Micros(j.After.ExpireTime), j.After.Name.Connection.ID, j.After.Name.ID,
		sqldb.Micros(j.FinishTime), sqldb.Micros(until))
}

// CancelJob implements grantjobs.Store.
func (s *Store) CancelJob(ctx context.Context, name grantjobs.Name, now time.Time) (grantjobs.Job, error) {
	if _, err := s.Job(ctx, name); err != nil {
		return grantjobs.Job{}, err
	}
	ended := fmt.Errorf("%w: %s has ended", grantjobs.ErrEnded, name)
	if err := s.onJob(ctx, ended, cancelJob, name.Project, name.ID, sqldb.Micros(now)); err != nil {
		return grantjobs.Job{}, err
	}
	return s.Job(ctx, name)
}

// DeleteJob implements grantjobs.Store.
func (s *Store) DeleteJob(ctx context.Context, name grantjobs.Name) error {
	if _, err := s.Job(ctx, name); err != nil {
		return err
	}
	return s.onJob(ctx, fmt.Errorf("%w: %s is running", grantjobs.ErrEnded, name), deleteJob, name.Project, name.ID)
}

// onJob makes a change that fails with otherwise if there is no job to make it to.
func (s *Store) onJob(ctx context.Context, otherwise error, query string, args ...any) error {
	return s.write(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		changed, err := affected(tx.ExecContext(ctx, query, args...))
		if err == nil && !changed {
			err = otherwise
		}
		return err
	})
}

// CountGrants implements grantjobs.Store.
func (s *Store) CountGrants(ctx context.Context, project string, q connection.GrantQuery) (n int64, err error) {
	err = s.read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		return tx.QueryRowContext(ctx, countGrants, project, q.Connection, string(q.State), q.EndUser, sqldb.Micros(q.ExpireBefore)).Scan(&n)
	})
	return n, err
}

func scanJob(row scanner) (grantjobs.Job, error) {
	var j grantjobs.Job
	var before, skip, after, created, finished int64
	err := row.Scan(&j.Name.Project, &j.Name.ID, &j.Action, &j.Filter.Connection, &j.Filter.State, &j.Filter.EndUser, &before, &skip,
		&j.Subject, &j.State, &j.Matched, &j.Ended, &j.Skipped, &after, &j.After.Name.Connection.ID, &j.After.Name.ID, &j.Owner, &j.Fence,
		&created, &finished)
	j.Filter.ExpireBefore, j.SkipRevocation, j.After.ExpireTime = sqldb.Time(before), skip == 1, sqldb.Time(after)
	if j.After.Name.ID != "" {
		j.After.Name.Connection.Project = j.Name.Project
	}
	j.CreateTime, j.FinishTime = sqldb.Time(created), sqldb.Time(finished)
	return j, err
}
