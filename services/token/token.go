package token

import (
	"time"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token/dpop"
	"github.com/freshet-io/freshet/services/token/oauth1"
)

// State says whether a token can be used. The names are those of the API.
type State string

// The states of a token.
const (
	// StateAuthorizing means that the first generation is being obtained.
	StateAuthorizing State = "AUTHORIZING"
	// StateAuthorized means that the credential is valid and kept fresh.
	StateAuthorized State = "AUTHORIZED"
	// StateDeauthorized means that there is no valid credential, and none to be had before somebody repairs something.
	StateDeauthorized State = "DEAUTHORIZED"
	// StateFailedConnectivity means that there is no valid credential and attempts go on.
	StateFailedConnectivity State = "FAILED_CONNECTIVITY"
)

// ExpirySource says where a token's expiry comes from. The names are those of the API.
type ExpirySource string

// The sources of an expiry. Empty: the credential does not expire.
const (
	ExpiryExpiresIn       ExpirySource = "EXPIRES_IN"
	ExpiryJWT             ExpirySource = "JWT_EXP"
	ExpiryDefaultLifetime ExpirySource = "DEFAULT_LIFETIME"
	ExpirySimulated       ExpirySource = "SIMULATED"
	ExpiryExpiresAt       ExpirySource = "EXPIRES_AT"
)

// Token is the current credential of a connection or grant, and everything that decides what happens to it next.
type Token struct {
	Key Key
	// ConnectionUID tells a connection from a later one of the same name.
	ConnectionUID string
	// Revision of the settings that the token shall be obtained with.
	Revision int64
	// Version grows with every stored change, also from one row of this name to its successor: of two states of a
	// token the one with the larger Version is newer.
	Version int64

	// Generation is 1 for the first credential and one more for each that follows; 0 while there was none.
	Generation int64
	// GenerationRevision is the revision of the settings that the generation was obtained with.
	GenerationRevision int64
	// Kind of grant that the generation was obtained with.
	Kind Kind
	// Credential is the secret part. It is set only on tokens read for serving, see Store.Get.
	Credential Credential
	// CredentialLost means that the stored credential does not open with the present master key.
	CredentialLost bool
	// NextKey is what the next generation is asked to be bound to, while that is not the key of this one. Set as Credential is.
	NextKey NextKey
	// TokenType as in the token response, normalised; empty for static credentials.
	TokenType string
	// Scopes granted.
	Scopes []string
	// IssueTime is when the generation was asked for, ExpireTime when it ends; a zero ExpireTime is never.
	IssueTime, ExpireTime time.Time
	ExpirySource          ExpirySource
	// GrantExpireTime is when the grant behind it ends; zero when that is not known, or never.
	GrantExpireTime time.Time
	// Fingerprint names the credential without revealing it.
	Fingerprint string
	// Traceparent is the W3C trace context of the refresh cycle that made the generation.
	Traceparent string

	// State, with Reason and Message unless it is AUTHORIZED, since StateTime.
	State     State
	Reason    Reason
	Message   string
	StateTime time.Time

	// RefreshAt is when the next generation shall be asked for, MustRefreshAt when it should be there at the latest. Both
	// are fixed once per generation.
	RefreshAt, MustRefreshAt time.Time
	// AttemptAt is when the next attempt is made: RefreshAt at first, then what backoff says. Zero: no attempt.
	AttemptAt time.Time
	// NotBefore is when the server is believed to issue another token at the earliest; zero if it never refused to.
	NotBefore time.Time
	// AttemptTrigger is what set AttemptAt.
	AttemptTrigger Trigger
	// Stopped means that attempts have ended until the connection is authorized or changed.
	Stopped bool
	// Failures since the last success.
	Failures int
	// LastFailure is the last one since the last success.
	LastFailure *Failure
	// LastSuccess is when a generation was last obtained.
	LastSuccess time.Time
	// RejectedGeneration is the last generation that was reported as refused, Rejections how many in a row were
	// refused soon after they were made.
	RejectedGeneration int64
	Rejections         int

	// HoldUntil asks consumers to begin no request with the generation before then, or the next state: the attempt that is under way
	// kills it. Zero or past: they may.
	HoldUntil time.Time
	// Plan is what the settings of the generation say of when the next is obtained.
	Plan Plan
	// Simulation is the rehearsal of failures that goes on; zero if none does.
	Simulation Simulation

	// RedeemedAt is when the refresh token or code that RedeemedFingerprint names may have been redeemed for the first time without
	// its answer being known; zero if none was.
	RedeemedAt          time.Time
	RedeemedFingerprint string
	// SpentSeeds are fingerprints of the refresh tokens and codes of former and present settings that are used up, newest last.
	SpentSeeds []string
	// GrantTime is when the grant behind the token began: when its first refresh token or code was redeemed.
	GrantTime time.Time

	Lease Lease
}

// Lease is the right to make a token's next generation. It is stored; only its holder may ask the authorization server.
type Lease struct {
	// Owner is the process that holds it; empty when nobody does.
	Owner string
	// Until is when others may take it from a holder that does not renew it.
	Until time.Time
	// Fence grows with every claim. A holder whose Fence is no longer the stored one has lost the lease.
	Fence int64
	// Rotation is the id of the journal entry that it works on.
	Rotation string
}

func (l Lease) heldAt(now time.Time) bool { return l.Owner != "" && now.Before(l.Until) }

// ValidAt reports whether the token has a credential that can be used at the given time.
func (t *Token) ValidAt(now time.Time) bool {
	return t.State == StateAuthorized && !t.CredentialLost && (t.ExpireTime.IsZero() || now.Before(t.ExpireTime))
}

// Lifetime is how long the generation lives in all; 0 if it does not expire.
func (t *Token) Lifetime() time.Duration {
	if t.ExpireTime.IsZero() {
		return 0
	}
	return t.ExpireTime.Sub(t.IssueTime)
}

// Revealed returns the token as it may be shown at the given time: a credential that cannot be used is taken out, and
// a state that the clock has overtaken is corrected. It is what stands between a stored row and a consumer, so that
// an expired credential is not served even when the change of state is late.
func (t Token) Revealed(now time.Time) Token {
	if t.ValidAt(now) {
		return t
	}
	if t.State == StateAuthorized {
		t.lapse(now)
	}
	t.Credential, t.TokenType, t.NextKey = Credential{}, "", NextKey{}
	return t
}

// AttemptDue is when the scheduler must look at the token in order to refresh it, or to take over from a process that
// died while doing so; zero for never.
func (t *Token) AttemptDue() time.Time {
	if t.Lease.Owner != "" {
		return t.Lease.Until
	}
	return t.AttemptAt
}

// ExpiryDue is when the scheduler must announce the token's expiry, or that its grant ends soon; zero for never.
func (t *Token) ExpiryDue() time.Time {
	switch t.State {
	case StateAuthorized:
		return earliest(t.ExpireTime, t.GrantWarningDue())
	case StateDeauthorized:
		return time.Time{}
	default:
		return t.GrantWarningDue()
	}
}

// DueAt is the earlier of AttemptDue and ExpiryDue; zero for never.
func (t *Token) DueAt() time.Time {
	return earliest(t.AttemptDue(), t.ExpiryDue())
}

// StatusRevision is the revision whose outcome the state is: that of the generation when AUTHORIZED, else the one that
// is being tried or failed.
func (t *Token) StatusRevision() int64 {
	if t.State == StateAuthorized {
		return t.GenerationRevision
	}
	return t.Revision
}

// WantedRevision is the revision that is being obtained while the generation of an older one is in use; 0 if there is none. LastFailure is
// that of its last attempt then.
func (t *Token) WantedRevision() int64 {
	if t.Revision == t.StatusRevision() {
		return 0
	}
	return t.Revision
}

// Credential is the secret part of a token, and what puts it on an HTTP request.
type Credential struct {
	// AccessToken is empty for static credentials.
	AccessToken seal.Secret
	// RefreshToken is empty for grants that do without.
	RefreshToken seal.Secret
	// Seed is the fingerprint of the refresh token or code in the settings that RefreshToken descends from. Settings with another one
	// begin anew.
	Seed string
	// Key that the access token is bound to, if its type is DPoP (RFC 9449), and the refresh token may be; zero: they are bound to none.
	Key dpop.Key
	// HTTP authenticates a request, with the connection's invocation parameters.
	HTTP Fields
	// Captured is what the answer told besides, see OAuth2.Captures.
	Captured map[string]string
	// OAuth1 signs each request besides; zero: they are not signed.
	OAuth1 oauth1.Credential
}

// Fields are additions to an HTTP request, by the place they go to.
type Fields struct {
	Headers, Query, Body []Field
}

// Field is one header, query parameter or body member.
type Field struct {
	Key   string
	Value seal.Secret
}

// HealthStatus is a verdict on refreshing. The names are those of the API.
type HealthStatus string

// The verdicts. Empty: nothing has been refreshed yet.
const (
	Healthy  HealthStatus = "HEALTHY"
	Degraded HealthStatus = "DEGRADED"
	Failing  HealthStatus = "FAILING"
)

// Health returns how refreshing goes, at the given time.
func (t *Token) Health(now time.Time) HealthStatus {
	switch {
	case t.Stopped, t.LastFailure != nil && !t.ValidAt(now):
		return Failing
	case t.LastFailure != nil:
		return Degraded
	case !t.LastSuccess.IsZero():
		return Healthy
	default:
		return ""
	}
}
