package rehearse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

// DefaultWindow is the life that a generation is given, DefaultPatience how long its successor is waited for after that, unless somebody
// says.
const (
	DefaultWindow   = 20 * time.Second
	DefaultPatience = 15 * time.Second
)

// Clients reach the suite, with the rights of whoever rehearses.
type Clients struct {
	Connections connectionv1.ConnectionServiceClient
	Providers   connectionv1.ProviderServiceClient
	Tokens      tokenv1.TokenServiceClient
	Rehearsals  tokenv1.RehearsalServiceClient
}

// Options say what is rehearsed.
type Options struct {
	Token   string                 // its resource name
	Classes []tokenv1.FailureClass // in this order; empty: those that fit the connection
	Window  time.Duration          // simulated life of a generation; 0: DefaultWindow
	// Patience is how long a next generation is waited for after the former one expired; 0: DefaultPatience.
	Patience time.Duration
	Now      func() time.Time // default: time.Now
}

// Plan is a rehearsal that could begin.
type Plan struct {
	Token      string
	Generation int64
	Window     time.Duration
	Classes    []tokenv1.FailureClass
	// Requests are the real token requests that it takes.
	Requests int
	// Concerns are what somebody should agree to before.
	Concerns []string

	clients  Clients
	patience time.Duration
	now      func() time.Time
}

// RefusedError says why a token cannot be rehearsed with. Nothing was changed.
type RefusedError struct{ Why string }

// Error implements error.
func (e *RefusedError) Error() string { return "cannot be rehearsed: " + e.Why }

func refuse(format string, args ...any) error {
	return &RefusedError{Why: fmt.Sprintf(format, args...)}
}

// Prepare looks at a token and its connection, changes nothing, and makes a plan.
//
// Errors: *[RefusedError], and those of the calls.
func Prepare(ctx context.Context, clients Clients, o Options) (*Plan, error) {
	if o.Window <= 0 {
		o.Window = DefaultWindow
	}
	if o.Patience <= 0 {
		o.Patience = DefaultPatience
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	p := &Plan{Token: o.Token, Window: o.Window, Classes: o.Classes, clients: clients, patience: o.Patience, now: o.Now}
	settings, err := p.settings(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := clients.Tokens.GetToken(ctx, &tokenv1.GetTokenRequest{Name: o.Token})
	if err != nil {
		return nil, err
	}
	token := answer.GetToken()
	p.Generation = token.GetGeneration()
	if len(p.Classes) == 0 {
		p.Classes = fitting(settings.GetGrantType())
	}
	p.Requests = 1 + len(p.Classes)
	if err := p.judgeToken(token); err != nil {
		return nil, err
	}
	return p, p.judgeProvider(settings, token)
}

// settings are those in force, as far as they matter here.
func (p *Plan) settings(ctx context.Context) (*connectionv1.OAuth2Authorization, error) {
	name, _, _ := strings.Cut(strings.TrimSuffix(p.Token, "/token"), "/grants/")
	answer, err := p.clients.Connections.GetConnection(ctx, &connectionv1.GetConnectionRequest{Name: name})
	if err != nil {
		return nil, err
	}
	own := answer.GetConnection().GetOauth2()
	if own == nil {
		return nil, refuse("the credential of %s is static; it neither expires nor is it refreshed", name)
	}
	if own.GetProvider() == "" {
		return own, nil
	}
	entry, err := p.clients.Providers.GetProvider(ctx, &connectionv1.GetProviderRequest{Name: own.GetProvider()})
	if err != nil {
		return nil, err
	}
	fill(own, entry.GetProvider().GetDefaults().GetProviderBehavior())
	return own, nil
}

// fill takes what the connection leaves to its provider.
func fill(own *connectionv1.OAuth2Authorization, defaults *connectionv1.ProviderBehavior) {
	if own.ProviderBehavior == nil {
		own.ProviderBehavior = &connectionv1.ProviderBehavior{}
	}
	behavior := own.GetProviderBehavior()
	if behavior.GetOldAccessToken() == connectionv1.ProviderBehavior_OLD_ACCESS_TOKEN_UNSPECIFIED {
		behavior.OldAccessToken, behavior.OldAccessTokenLeeway = defaults.GetOldAccessToken(), defaults.GetOldAccessTokenLeeway()
	}
	if behavior.GetMintLimit() == 0 {
		behavior.MintLimit, behavior.MintPeriod = defaults.GetMintLimit(), defaults.GetMintPeriod()
	}
	if behavior.GetRefreshNotBefore() == nil {
		behavior.RefreshNotBefore = defaults.GetRefreshNotBefore()
	}
}

// fitting are the classes that the connection can meet. TOO_EARLY is none of them: nothing fails then.
func fitting(grant connectionv1.OAuth2Authorization_GrantType) []tokenv1.FailureClass {
	classes := []tokenv1.FailureClass{
		tokenv1.FailureClass_NOT_SENT, tokenv1.FailureClass_THROTTLED, tokenv1.FailureClass_AMBIGUOUS, tokenv1.FailureClass_CLIENT_BROKEN,
		tokenv1.FailureClass_CONFIGURATION, tokenv1.FailureClass_OURS,
	}
	if grant != connectionv1.OAuth2Authorization_CLIENT_CREDENTIALS {
		classes = append(classes, tokenv1.FailureClass_GRANT_DEAD)
	}
	return classes
}

func (p *Plan) judgeToken(token *tokenv1.Token) error {
	if slices.Contains(p.Classes, tokenv1.FailureClass_TOO_EARLY) {
		return refuse("TOO_EARLY is no failure: there would be nothing to recover from")
	}
	left := token.GetExpireTime().AsTime().Sub(p.now())
	switch {
	case token.GetState() != tokenv1.Token_AUTHORIZED:
		return refuse("the token is %s; there must be a valid one to begin with", token.GetState())
	case token.GetExpireTime() == nil:
		return refuse("the token does not expire")
	case token.GetExpirySource() == tokenv1.Token_SIMULATED:
		return refuse("the expiry of the token is being simulated already; end that with :endSimulations, or wait for the next generation")
	case left < p.Window:
		return refuse("the token has %s left, less than the window of %s; wait for the next generation or choose a shorter window",
			left.Round(time.Second), p.Window)
	}
	return nil
}

func (p *Plan) judgeProvider(settings *connectionv1.OAuth2Authorization, token *tokenv1.Token) error {
	behavior := settings.GetProviderBehavior()
	if settings.GetRefreshPolicy().GetMode() == connectionv1.RefreshPolicy_ON_DEMAND {
		return refuse("its policy obtains tokens when somebody asks, never ahead of expiry")
	}
	if notBefore := behavior.GetRefreshNotBefore().AsDuration(); notBefore > 0 && (p.Window < 2*notBefore || p.age(token) < notBefore) {
		return refuse("the provider refreshes no token younger than %s; wait for that age and choose a window of at least %s", notBefore, 2*notBefore)
	}
	if limit := int(behavior.GetMintLimit()); limit > 0 {
		period := behavior.GetMintPeriod().AsDuration()
		if p.Requests > limit {
			return refuse("it takes %d token requests and the provider allows %d in %s; choose fewer classes", p.Requests, limit, period)
		}
		if 2*p.Requests > limit {
			p.Concerns = append(p.Concerns, fmt.Sprintf("it takes %d of the %d token requests that the provider allows in %s", p.Requests, limit, period))
		}
	}
	switch behavior.GetOldAccessToken() {
	case connectionv1.ProviderBehavior_KILLED:
		p.Concerns = append(p.Concerns, fmt.Sprintf(
			"each of its %d refreshes ends the access token at hand: consumers that do not watch the token are refused", p.Requests))
	case connectionv1.ProviderBehavior_LEEWAY:
		p.Concerns = append(p.Concerns, fmt.Sprintf(
			"each of its %d refreshes ends the access token at hand after %s", p.Requests, behavior.GetOldAccessTokenLeeway().AsDuration()))
	case connectionv1.ProviderBehavior_OLD_ACCESS_TOKEN_UNSPECIFIED, connectionv1.ProviderBehavior_SURVIVES:
	}
	return nil
}

func (p *Plan) age(token *tokenv1.Token) time.Duration {
	return p.now().Sub(token.GetIssueTime().AsTime())
}

// IsRefused reports whether err says that a rehearsal was refused.
func IsRefused(err error) bool {
	_, ok := errors.AsType[*RefusedError](err)
	return ok
}
