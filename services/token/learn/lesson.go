package learn

import (
	"time"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
)

// Subject is what is learnt about.
type Subject struct {
	// Settings make the requests. RefreshToken is used up.
	Settings token.OAuth2
	// ResourceURL answers 2xx to a GET with a valid access token; empty: nothing is learnt of old access tokens.
	ResourceURL string
	// Watch is how long old tokens are watched for an end that comes later.
	Watch time.Duration
}

// Step is one request.
type Step struct {
	Purpose    string
	HTTPStatus int    // 0 without an answer
	Outcome    string // for people; no secrets
}

// Rotation says whether a refresh gives another refresh token. The names are the contract's.
type Rotation string

// Rotations; empty: not known.
const (
	RotatesNever     Rotation = "NEVER"
	RotatesAlways    Rotation = "ALWAYS"
	RotatesSometimes Rotation = "SOMETIMES"
)

// Early is what becomes of refreshing a token that is still valid. The names are the contract's.
type Early string

// Ways; empty: not known.
const (
	EarlyAccepted  Early = "ACCEPTED"
	EarlySameToken Early = "SAME_TOKEN"
	EarlyRefused   Early = "REFUSED"
)

// Observation is one thing that was seen, or that could not be told.
type Observation struct {
	Subject string // in the terms of a catalogue entry
	Text    string // no secrets
	Known   bool
}

// Lesson is what was learnt. Zero members are not known.
type Lesson struct {
	TokenType       string
	Lifetime        time.Duration
	LifetimeUnit    string // SECONDS, MILLISECONDS, MINUTES
	RefreshLifetime time.Duration
	Rotation        Rotation
	Recovery        token.RotationRecovery
	Grace           time.Duration // the longest that was seen, with GRACE
	OldToken        token.OldAccessToken
	Leeway          time.Duration // the longest that was seen, with LEEWAY
	Early           Early
	ErrorCodes      map[string]string
	Authentications []token.ClientAuthentication
	Observations    []Observation
}

func (l *Lesson) saw(subject, text string) {
	l.Observations = append(l.Observations, Observation{Subject: subject, Text: text, Known: true})
}

func (l *Lesson) cannotTell(subject, why string) {
	l.Observations = append(l.Observations, Observation{Subject: subject, Text: why})
}

// pair is what a refresh gave.
type pair struct {
	access, refresh seal.Secret
	at              time.Time
}

// Plan names the requests that Learn makes, in their order. Which of the later ones are made depends on the answers.
func Plan(s Subject) []string {
	api := "GET " + s.ResourceURL + ": "
	plan := []string{"redeem the refresh token"}
	if s.ResourceURL != "" {
		plan = append(plan, api+"does the access token work there")
	}
	plan = append(plan, "redeem the newest refresh token at once: is an early refresh accepted, is the refresh token rotated")
	if s.ResourceURL != "" {
		plan = append(plan, api+"does the first access token still work"+watched(s.Watch))
	}
	return append(plan,
		"redeem the former refresh token again: is it spent, while its successor is unused"+watched(s.Watch),
		"redeem the newest refresh token: did that end the grant",
		"redeem the former refresh token again, now that its successor was used",
		"redeem a refresh token that does not exist: how is that refused",
		"the same with another way of client authentication",
	)
}

func watched(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return ", again and again for " + d.String()
}
