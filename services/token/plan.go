package token

import (
	"time"

	"github.com/freshet-io/freshet/services/token/schedule"
)

// Plan is what the settings say of when a token's next generation is obtained. It is kept with the generation, because the
// settings are not at hand between two attempts. Its JSON names are those of the store.
type Plan struct {
	Mode          Mode          `json:"mode,omitempty"` // empty: Always
	RefreshBefore time.Duration `json:"refresh_before,omitempty"`
	KeepAlive     time.Duration `json:"keep_alive,omitempty"`
	// NotBefore is the age that the generation must have before the server issues another one.
	NotBefore time.Duration `json:"not_before,omitempty"`
	// OldToken is what becomes of the generation when the next one is issued, Leeway how long it lives then if it has any.
	OldToken OldAccessToken `json:"old_token,omitempty"`
	Leeway   time.Duration  `json:"leeway,omitempty"`
	// GrantWarning is how long before the end of the grant its watchers are warned; 0 for DefaultGrantWarning.
	GrantWarning time.Duration `json:"grant_warning,omitempty"`
	// GrantWarned means that they were.
	GrantWarned bool `json:"grant_warned,omitempty"`
	// TrueExpireTime and TrueExpirySource are the generation's own, while a simulated one is in force.
	TrueExpireTime   time.Time    `json:"true_expire_time,omitzero"`
	TrueExpirySource ExpirySource `json:"true_expiry_source,omitempty"`
}

// DefaultGrantWarning is how long before the end of a grant its watchers are warned, unless the settings say.
const DefaultGrantWarning = 14 * 24 * time.Hour

// plan returns what the settings say.
func (s *Settings) plan() Plan {
	policy, provider := s.OAuth2.Policy, s.OAuth2.Provider
	plan := Plan{
		Mode: policy.Mode, RefreshBefore: policy.RefreshBefore, KeepAlive: policy.KeepAlive,
		NotBefore: provider.NotBefore, OldToken: provider.OldAccessToken, Leeway: provider.OldAccessTokenLeeway, GrantWarning: policy.GrantWarning,
	}
	if plan.Mode == Always || s.endless() {
		plan.Mode = ""
	}
	return plan
}

// ahead reports whether the generation is refreshed ahead of its expiry although nobody watches.
func (p *Plan) ahead() bool { return p.Mode == "" || p.Mode == Always }

// plan sets when the generation is refreshed, as if it lived from start to ExpireTime.
func (t *Token) plan(start time.Time, override time.Duration, trigger Trigger) {
	if t.ExpireTime.IsZero() {
		t.RefreshAt, t.MustRefreshAt = time.Time{}, time.Time{}
		t.AttemptAt, t.AttemptTrigger = time.Time{}, ""
		return
	}
	if t.Plan.OldToken == Killed { // each refresh costs consumers a moment and the rest of the token's life, so it comes late
		override = schedule.Window(t.ExpireTime.Sub(start), override) / 3
	}
	t.RefreshAt, t.MustRefreshAt = schedule.Plan(t.Key.Name(), t.Generation, start, t.ExpireTime, override)
	if t.RefreshAt.Before(t.NotBefore) {
		t.RefreshAt = schedule.Late(t.Key.Name(), t.Generation, t.NotBefore, t.ExpireTime)
	}
	t.AttemptAt, t.AttemptTrigger = time.Time{}, trigger
	if t.Plan.ahead() {
		t.AttemptAt = t.RefreshAt
	}
	if alive := t.keepAlive(); !alive.IsZero() && (t.AttemptAt.IsZero() || alive.Before(t.AttemptAt)) {
		t.AttemptAt = alive
	}
	if t.AttemptAt.IsZero() {
		t.AttemptTrigger = ""
	}
}

// keepAlive is when the generation is refreshed whatever the mode, so that a grant that dies unused stays alive; zero for never.
func (t *Token) keepAlive() time.Time {
	if t.Plan.KeepAlive <= 0 {
		return time.Time{}
	}
	return later(t.IssueTime.Add(schedule.KeepAlive(t.Key.Name(), t.Generation, t.Plan.KeepAlive)), t.NotBefore)
}

// WatchedDue is when the token is refreshed if somebody watches it, besides when it is anyway; zero for never.
func (t *Token) WatchedDue() time.Time {
	if t.Plan.Mode != WhileWatched || t.State == StateDeauthorized || t.Stopped || t.LastFailure != nil || t.Lease.Owner != "" {
		return time.Time{}
	}
	if t.RefreshAt.IsZero() {
		return time.Time{}
	}
	return later(t.RefreshAt, t.NotBefore)
}

// dueAttempt is when the scheduler must look at the token, given whether somebody watches it; zero for never.
func (t *Token) dueAttempt(watched bool) time.Time {
	due := t.AttemptDue()
	if !watched {
		return due
	}
	return earliest(due, t.WatchedDue())
}

// NextAttempt is when the next generation is asked for, to somebody who watches the token; zero if that is not planned.
func (t *Token) NextAttempt() time.Time { return earliest(t.AttemptAt, t.WatchedDue()) }

// earliest returns the earlier of two times of which zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// GrantWarningDue is when the end of the grant is announced; zero for never, or if it was.
func (t *Token) GrantWarningDue() time.Time {
	if t.GrantExpireTime.IsZero() || t.Plan.GrantWarned {
		return time.Time{}
	}
	return t.GrantExpireTime.Add(-t.grantWarning())
}

func (t *Token) grantWarning() time.Duration {
	if t.Plan.GrantWarning <= 0 {
		return DefaultGrantWarning
	}
	return t.Plan.GrantWarning
}

// GrantExpiring reports whether the grant ends soon: the end user should authorize again.
func (t *Token) GrantExpiring(now time.Time) bool {
	return !t.GrantExpireTime.IsZero() && !now.Before(t.GrantExpireTime.Add(-t.grantWarning()))
}

// warn records that the end of the grant is announced, and reports whether it is time for that.
func (t *Token) warn(now time.Time) bool {
	due := t.GrantWarningDue()
	if due.IsZero() || now.Before(due) {
		return false
	}
	t.Plan.GrantWarned = true
	return true
}
