package rehearse

import (
	"time"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

// Observation is one state of the token, as a consumer sees it.
type Observation struct {
	At         time.Time `json:"at"`
	Generation int64     `json:"generation"`
	State      string    `json:"state"`
	Reason     string    `json:"reason,omitempty"`
	Health     string    `json:"health,omitempty"`
	Failure    string    `json:"failure,omitempty"` // class of the last failed attempt, until the next success
	Expires    time.Time `json:"expires,omitzero"`
	HoldUntil  time.Time `json:"holdUntil,omitzero"`
}

// consumer follows the token and keeps account of the time in which it would have had none.
type consumer struct {
	last  *tokenv1.Token
	since time.Time // last is accounted for up to here
	skew  time.Duration

	without, held time.Duration
	failures      int
	seen          []Observation
}

// begin starts the account of a step anew.
func (c *consumer) begin(now time.Time) {
	c.settle(now)
	c.without, c.held, c.failures, c.seen = 0, 0, 0, nil
}

// observe takes the next state over.
func (c *consumer) observe(now time.Time, token *tokenv1.Token) {
	c.settle(now)
	health := token.GetRefreshHealth()
	if health.GetConsecutiveFailures() > c.last.GetRefreshHealth().GetConsecutiveFailures() {
		c.failures += int(health.GetConsecutiveFailures() - c.last.GetRefreshHealth().GetConsecutiveFailures())
	}
	c.last, c.since = token, latest(c.since, now)
	o := Observation{
		At: now, Generation: token.GetGeneration(), State: token.GetState().String(),
		Health: name(int32(health.GetStatus()), health.GetStatus().String()), Reason: name(int32(token.GetStateReason()), token.GetStateReason().String()),
		Failure: name(int32(health.GetLastFailureClass()), health.GetLastFailureClass().String()),
	}
	if token.GetExpireTime() != nil {
		o.Expires = c.expires()
	}
	if token.GetHoldUntil() != nil {
		o.HoldUntil = token.GetHoldUntil().AsTime().Add(-c.skew)
	}
	c.seen = append(c.seen, o)
}

// name is a value of an enumeration; empty for the one that is not set.
func name(number int32, text string) string {
	if number == 0 {
		return ""
	}
	return text
}

// expires is when the last state's token expires, by the clock of this machine.
func (c *consumer) expires() time.Time { return c.last.GetExpireTime().AsTime().Add(-c.skew) }

// settle accounts for the time since the last state.
func (c *consumer) settle(now time.Time) {
	if c.last == nil || !now.After(c.since) {
		return
	}
	from := now
	switch {
	case c.last.GetState() != tokenv1.Token_AUTHORIZED:
		from = c.since
	case c.last.GetExpireTime() != nil && c.expires().Before(now):
		from = latest(c.since, c.expires())
	}
	c.without += now.Sub(from)
	if hold := c.last.GetHoldUntil(); hold != nil {
		if until := earliest(now, hold.AsTime().Add(-c.skew)); until.After(c.since) {
			c.held += until.Sub(c.since)
		}
	}
	c.since = now
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
