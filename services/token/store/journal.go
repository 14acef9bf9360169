package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/token"
)

// The journal keeps the last keepRotations of a token, not older than keepTime. It is trimmed with every trimEvery-th claim.
const (
	keepRotations = 500
	keepTime      = 30 * 24 * time.Hour
	trimEvery     = 16
)

// rotationColumns are the columns of a rotation but its answer, in the order of scanRotation.
const rotationColumns = `project, connection, grant_id, rotation_id, generation, revision, kind, state, trigger_name, fence,
	start_time, sent_time, responded_time, end_time, request_sent, repeatable, refresh_token_fingerprint, lead_us,
	failure_class, failure_message, http_status, trace_id, key_thumbprint, challenges`

const putRotation = `INSERT INTO rotations (` + rotationColumns + `, sealed_response)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)
	ON CONFLICT (project, connection, grant_id, rotation_id) DO UPDATE SET
	generation = excluded.generation, revision = excluded.revision, kind = excluded.kind, state = excluded.state,
	trigger_name = excluded.trigger_name, fence = excluded.fence, start_time = excluded.start_time,
	sent_time = excluded.sent_time, responded_time = excluded.responded_time, end_time = excluded.end_time,
	request_sent = excluded.request_sent, repeatable = excluded.repeatable,
	refresh_token_fingerprint = excluded.refresh_token_fingerprint, lead_us = excluded.lead_us,
	failure_class = excluded.failure_class, failure_message = excluded.failure_message, http_status = excluded.http_status,
	trace_id = excluded.trace_id, key_thumbprint = excluded.key_thumbprint, challenges = excluded.challenges,
	sealed_response = excluded.sealed_response`

// trimOld removes what is too old, trimMany what is older than the newest that are kept.
const (
	trimOld  = "DELETE FROM rotations" + byKey + " AND rotation_id <> $4 AND start_time < $5"
	trimMany = "DELETE FROM rotations" + byKey + ` AND rotation_id < (SELECT rotation_id FROM rotations` + byKey + `
		ORDER BY rotation_id DESC LIMIT 1 OFFSET $4)`
)

// journal writes the entries of a record.
func (s *Store) journal(ctx context.Context, tx sqldb.Tx, rec *token.Record) error {
	key := rec.Token.Key
	if rec.ForgetJournal {
		if _, err := tx.ExecContext(ctx, "DELETE FROM rotations"+byKey, key.Project, key.Connection, key.Grant); err != nil {
			return err
		}
	}
	for i := range rec.Journal {
		if err := s.put(ctx, tx, &rec.Journal[i], rec.Answer); err != nil {
			return err
		}
	}
	last := len(rec.Journal) - 1
	if last < 0 || rec.Journal[last].State != token.RotationIntent || rec.Token.Lease.Fence%trimEvery != 0 {
		return nil
	}
	newest := rec.Journal[last]
	before := sqldb.Micros(newest.StartTime.Add(-keepTime))
	if _, err := tx.ExecContext(ctx, trimOld, key.Project, key.Connection, key.Grant, newest.ID, before); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, trimMany, key.Project, key.Connection, key.Grant, keepRotations-1)
	return err
}

// put inserts or replaces an entry. The answer is kept with it while it is RESPONDED.
func (s *Store) put(ctx context.Context, tx sqldb.Tx, r *token.Rotation, answer *token.Answer) error {
	var sealed []byte
	if answer != nil && r.State == token.RotationResponded {
		text, err := json.Marshal(answer)
		if err != nil {
			return fmt.Errorf("token store: encode answer: %w", err)
		}
		if sealed, err = s.sealer.Seal(text, r.Key.RotationName(r.ID)); err != nil {
			return err
		}
	}
	lead := sql.NullInt64{Int64: r.Lead.Microseconds(), Valid: r.HasLead}
	_, err := tx.ExecContext(ctx, putRotation, r.Key.Project, r.Key.Connection, r.Key.Grant, r.ID, r.Generation, r.Revision,
		string(r.Kind), string(r.State), string(r.Trigger), r.Fence, sqldb.Micros(r.StartTime), sqldb.Micros(r.SentTime),
		sqldb.Micros(r.RespondedTime), sqldb.Micros(r.EndTime), flag(r.RequestSent), flag(r.Repeatable),
		r.RefreshTokenFingerprint, lead, string(r.FailureClass), r.FailureMessage, int64(r.HTTPStatus), r.TraceID, r.KeyThumbprint, int64(r.Challenges), sealed)
	return err
}

func scanRotation(from scanner) (token.Rotation, error) {
	var r token.Rotation
	var kind, state, trigger, class string
	var start, sent, responded, end, requestSent, repeatable, status, challenges int64
	var lead sql.NullInt64
	err := from.Scan(&r.Key.Project, &r.Key.Connection, &r.Key.Grant, &r.ID, &r.Generation, &r.Revision, &kind, &state,
		&trigger, &r.Fence, &start, &sent, &responded, &end, &requestSent, &repeatable, &r.RefreshTokenFingerprint, &lead,
		&class, &r.FailureMessage, &status, &r.TraceID, &r.KeyThumbprint, &challenges)
	r.Kind, r.State, r.Trigger, r.FailureClass = token.Kind(kind), token.RotationState(state), token.Trigger(trigger), token.Class(class)
	r.StartTime, r.SentTime = sqldb.Time(start), sqldb.Time(sent)
	r.RespondedTime, r.EndTime = sqldb.Time(responded), sqldb.Time(end)
	r.RequestSent, r.Repeatable, r.HTTPStatus = requestSent == 1, repeatable == 1, int(status)
	r.Challenges = int(challenges)
	r.HasLead, r.Lead = lead.Valid, time.Duration(lead.Int64)*time.Microsecond
	return r, err
}

// Rotations implements token.Store.
func (s *Store) Rotations(ctx context.Context, key token.Key, before string, limit int) ([]token.Rotation, error) {
	var rotations []token.Rotation
	err := s.db.Read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		rotations = nil
		var one int
		if err := tx.QueryRowContext(ctx, "SELECT 1 FROM tokens"+byKey, key.Project, key.Connection, key.Grant).Scan(&one); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, "SELECT "+rotationColumns+" FROM rotations"+byKey+`
			AND ($4 = '' OR rotation_id < $4) ORDER BY rotation_id DESC LIMIT $5`,
			key.Project, key.Connection, key.Grant, before, limit)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			r, err := scanRotation(rows)
			if err != nil {
				return err
			}
			rotations = append(rotations, r)
		}
		return rows.Err()
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, token.ErrNotFound
	}
	if err != nil {
		return nil, failure("rotations", err)
	}
	return rotations, nil
}

// Response implements token.Store.
func (s *Store) Response(ctx context.Context, key token.Key, rotationID string) (token.Answer, error) {
	var sealed []byte
	err := s.db.Read(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		return tx.QueryRowContext(ctx, "SELECT sealed_response FROM rotations"+byKey+" AND rotation_id = $4",
			key.Project, key.Connection, key.Grant, rotationID).Scan(&sealed)
	})
	if errors.Is(err, sql.ErrNoRows) || err == nil && sealed == nil {
		return token.Answer{}, token.ErrNotFound
	}
	if err != nil {
		return token.Answer{}, failure("response", err)
	}
	text, err := s.sealer.Open(sealed, key.RotationName(rotationID))
	if err != nil {
		return token.Answer{}, err
	}
	var answer token.Answer
	if err := json.Unmarshal(text, &answer); err != nil {
		return token.Answer{}, fmt.Errorf("token store: response of %s is not readable", key.RotationName(rotationID))
	}
	return answer, nil
}
