package store

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/token"
)

// tokenColumns are the columns of a token but its secrets, in the order of row.fields.
const tokenColumns = `project, connection, grant_id, connection_uid, revision, version, generation, generation_revision,
	kind, token_type, scopes, issue_time, expire_time, expiry_source, grant_expire_time, fingerprint, traceparent,
	state, state_reason, state_message, state_time, refresh_at, must_refresh_at, not_before, attempt_at, attempt_trigger, stopped,
	due_at, failures, failure_class, failure_reason, failure_message, failure_time, success_time, rejected_generation,
	rejections, lease_owner, lease_until, lease_rotation, fence, redeemed_at, grant_time, redeemed_fingerprint,
	spent_seeds, plan, simulated_class, simulated_until, simulated_failure, hold_until`

const insertToken = `INSERT INTO tokens (` + tokenColumns + `, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
	$12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35,
	$36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50) ON CONFLICT DO NOTHING`

// updateToken takes row.fields, then 1 and the sealed credential to replace it, or 0 to keep the stored one, then the
// version that was read.
const updateToken = `UPDATE tokens SET connection_uid = $4, revision = $5, version = $6, generation = $7,
	generation_revision = $8, kind = $9, token_type = $10, scopes = $11, issue_time = $12, expire_time = $13,
	expiry_source = $14, grant_expire_time = $15, fingerprint = $16, traceparent = $17, state = $18, state_reason = $19,
	state_message = $20, state_time = $21, refresh_at = $22, must_refresh_at = $23, not_before = $24, attempt_at = $25,
	attempt_trigger = $26, stopped = $27, due_at = $28, failures = $29, failure_class = $30, failure_reason = $31,
	failure_message = $32, failure_time = $33, success_time = $34, rejected_generation = $35, rejections = $36,
	lease_owner = $37, lease_until = $38, lease_rotation = $39, fence = $40, redeemed_at = $41,
	grant_time = $42, redeemed_fingerprint = $43, spent_seeds = $44,
	plan = $45, simulated_class = $46, simulated_until = $47, simulated_failure = $48,
	hold_until = $49, sealed = CASE WHEN CAST($50 AS BIGINT) = 1 THEN $51 ELSE sealed END,
	sealed_key = CASE WHEN CAST($50 AS BIGINT) = 1 THEN NULL ELSE sealed_key END
	WHERE project = $1 AND connection = $2 AND grant_id = $3 AND version = $52`

// row is a row of the table tokens.
type row struct {
	project, connection, grant, uid                           string
	revision, version, generation, generationRevision         int64
	kind, tokenType, scopes                                   string
	issueTime, expireTime                                     int64
	expirySource                                              string
	grantExpireTime                                           int64
	fingerprint, traceparent                                  string
	state, stateReason, stateMessage                          string
	stateTime, refreshAt, mustRefreshAt, notBefore, attemptAt int64
	attemptTrigger                                            string
	stopped, dueAt, failures                                  int64
	failureClass, failureReason, failureMessage               string
	failureTime, successTime, rejectedGeneration, rejections  int64
	leaseOwner                                                string
	leaseUntil                                                int64
	leaseRotation                                             string
	fence, redeemedAt, grantTime                              int64
	redeemedFingerprint, spentSeeds                           string
	plan, simulatedClass                                      string
	simulatedUntil, simulatedFailure, holdUntil               int64
	sealed, sealedKey                                         []byte
}

// fields are pointers to the members in the order of tokenColumns: to scan into, and to write from.
func (r *row) fields() []any {
	return []any{
		&r.project, &r.connection, &r.grant, &r.uid, &r.revision, &r.version, &r.generation, &r.generationRevision,
		&r.kind, &r.tokenType, &r.scopes, &r.issueTime, &r.expireTime, &r.expirySource, &r.grantExpireTime, &r.fingerprint,
		&r.traceparent, &r.state, &r.stateReason, &r.stateMessage, &r.stateTime, &r.refreshAt, &r.mustRefreshAt, &r.notBefore, &r.attemptAt,
		&r.attemptTrigger, &r.stopped, &r.dueAt, &r.failures, &r.failureClass, &r.failureReason, &r.failureMessage,
		&r.failureTime, &r.successTime, &r.rejectedGeneration, &r.rejections, &r.leaseOwner, &r.leaseUntil, &r.leaseRotation,
		&r.fence, &r.redeemedAt, &r.grantTime, &r.redeemedFingerprint, &r.spentSeeds,
		&r.plan, &r.simulatedClass, &r.simulatedUntil, &r.simulatedFailure, &r.holdUntil,
	}
}

type scanner interface{ Scan(dest ...any) error }

func (r *row) scan(from scanner, withSecret bool) error {
	fields := r.fields()
	if withSecret {
		fields = append(fields, &r.sealed, &r.sealedKey)
	}
	return from.Scan(fields...)
}

// rowOf returns the row of a token.
func rowOf(t *token.Token) (row, error) {
	scopes, err := json.Marshal(t.Scopes)
	if err != nil {
		return row{}, fmt.Errorf("token store: encode scopes: %w", err)
	}
	plan, err := json.Marshal(t.Plan)
	if err != nil {
		return row{}, fmt.Errorf("token store: encode plan: %w", err)
	}
	r := row{
		project: t.Key.Project, connection: t.Key.Connection, grant: t.Key.Grant, uid: t.ConnectionUID,
		revision: t.Revision, version: t.Version, generation: t.Generation, generationRevision: t.GenerationRevision,
		kind: string(t.Kind), tokenType: t.TokenType, scopes: string(scopes),
		issueTime: sqldb.Micros(t.IssueTime), expireTime: sqldb.Micros(t.ExpireTime), expirySource: string(t.ExpirySource),
		grantExpireTime: sqldb.Micros(t.GrantExpireTime), fingerprint: t.Fingerprint, traceparent: t.Traceparent,
		state: string(t.State), stateReason: string(t.Reason), stateMessage: t.Message, stateTime: sqldb.Micros(t.StateTime),
		refreshAt: sqldb.Micros(t.RefreshAt), mustRefreshAt: sqldb.Micros(t.MustRefreshAt), notBefore: sqldb.Micros(t.NotBefore), attemptAt: sqldb.Micros(t.AttemptAt),
		attemptTrigger: string(t.AttemptTrigger), stopped: flag(t.Stopped), dueAt: sqldb.Micros(t.DueAt()),
		failures: int64(t.Failures), successTime: sqldb.Micros(t.LastSuccess),
		rejectedGeneration: t.RejectedGeneration, rejections: int64(t.Rejections),
		leaseOwner: t.Lease.Owner, leaseUntil: sqldb.Micros(t.Lease.Until), leaseRotation: t.Lease.Rotation, fence: t.Lease.Fence,
		redeemedAt: sqldb.Micros(t.RedeemedAt), grantTime: sqldb.Micros(t.GrantTime), redeemedFingerprint: t.RedeemedFingerprint,
		spentSeeds: strings.Join(t.SpentSeeds, " "),
		plan:       string(plan), simulatedClass: string(t.Simulation.Class), simulatedUntil: sqldb.Micros(t.Simulation.Until),
		simulatedFailure: flag(t.Simulation.Failed), holdUntil: sqldb.Micros(t.HoldUntil),
	}
	if f := t.LastFailure; f != nil {
		r.failureClass, r.failureReason, r.failureMessage = string(f.Class), string(f.Reason), f.Message
		r.failureTime = sqldb.Micros(f.Time)
	}
	return r, nil
}

// token returns the token of a row, without its credential.
func (r *row) token() (token.Token, error) {
	t := token.Token{
		Key:           token.Key{Project: r.project, Connection: r.connection, Grant: r.grant},
		ConnectionUID: r.uid, Revision: r.revision, Version: r.version, Generation: r.generation,
		GenerationRevision: r.generationRevision, Kind: token.Kind(r.kind), TokenType: r.tokenType,
		IssueTime: sqldb.Time(r.issueTime), ExpireTime: sqldb.Time(r.expireTime), ExpirySource: token.ExpirySource(r.expirySource),
		GrantExpireTime: sqldb.Time(r.grantExpireTime), Fingerprint: r.fingerprint, Traceparent: r.traceparent,
		State: token.State(r.state), Reason: token.Reason(r.stateReason), Message: r.stateMessage, StateTime: sqldb.Time(r.stateTime),
		RefreshAt: sqldb.Time(r.refreshAt), MustRefreshAt: sqldb.Time(r.mustRefreshAt), NotBefore: sqldb.Time(r.notBefore), AttemptAt: sqldb.Time(r.attemptAt),
		AttemptTrigger: token.Trigger(r.attemptTrigger), Stopped: r.stopped == 1, Failures: int(r.failures),
		LastSuccess: sqldb.Time(r.successTime), RejectedGeneration: r.rejectedGeneration, Rejections: int(r.rejections),
		Lease:      token.Lease{Owner: r.leaseOwner, Until: sqldb.Time(r.leaseUntil), Fence: r.fence, Rotation: r.leaseRotation},
		RedeemedAt: sqldb.Time(r.redeemedAt), GrantTime: sqldb.Time(r.grantTime), RedeemedFingerprint: r.redeemedFingerprint,
	}
	t.HoldUntil = sqldb.Time(r.holdUntil)
	t.Simulation = token.Simulation{
		Class: token.Class(r.simulatedClass), Until: sqldb.Time(r.simulatedUntil), Failed: r.simulatedFailure == 1,
	}
	if r.spentSeeds != "" {
		t.SpentSeeds = strings.Fields(r.spentSeeds)
	}
	if r.failureClass != "" {
		t.LastFailure = &token.Failure{
			Class: token.Class(r.failureClass), Reason: token.Reason(r.failureReason), Message: r.failureMessage,
			Time: sqldb.Time(r.failureTime),
		}
	}
	if err := json.Unmarshal([]byte(r.plan), &t.Plan); err != nil {
		return token.Token{}, fmt.Errorf("token store: plan of %s: %w", t.Key.Name(), err)
	}
	if err := json.Unmarshal([]byte(r.scopes), &t.Scopes); err != nil {
		return token.Token{}, fmt.Errorf("token store: scopes of %s: %w", t.Key.Name(), err)
	}
	return t, nil
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
