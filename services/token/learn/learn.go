package learn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
)

// requestTimeout bounds each request.
const requestTimeout = 30 * time.Second

// nobody is a refresh token that no server has issued.
const nobody = "freshet-probe-of-a-refresh-token-that-does-not-exist"

// Learner makes experiments. It is safe for concurrent use.
type Learner struct {
	exchanger token.Exchanger
	http      *http.Client
	checkURL  func(string) error
	now       func() time.Time
}

// New returns a Learner that makes token requests with exchanger and calls APIs with client, both through the egress guard. checkURL
// returns an error, for people, if a URL may not be called.
func New(exchanger token.Exchanger, client *http.Client, checkURL func(string) error, now func() time.Time) *Learner {
	return &Learner{exchanger: exchanger, http: client, checkURL: checkURL, now: now}
}

// URLError says that a URL may not be called.
type URLError struct {
	Field string // of the request: "oauth2.token_endpoint"
	Err   error
}

// Error implements error.
func (e *URLError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap returns what is wrong.
func (e *URLError) Unwrap() error { return e.Err }

// Check returns a *[URLError] if a URL of the subject may not be called.
func (l *Learner) Check(s Subject) error {
	for _, u := range []struct{ field, url string }{
		{"oauth2.token_endpoint", s.Settings.TokenEndpoint},
		{"oauth2.dialect.refresh_endpoint", s.Settings.Dialect.RefreshEndpoint},
		{"resource_url", s.ResourceURL},
	} {
		if u.url == "" && u.field != "oauth2.token_endpoint" {
			continue
		}
		if err := l.checkURL(u.url); err != nil {
			return &URLError{Field: u.field, Err: err}
		}
	}
	return nil
}

// lesson is one run.
type lesson struct {
	*Learner
	Lesson
	subject Subject
	tell    func(Step) error
}

// errEnd ends a run whose next experiment makes no sense; what was learnt until then counts.
var errEnd = errors.New("learn: nothing more can be learnt")

// Learn makes the experiments and calls tell with each request, after it was made. What a server refuses is a lesson, not an error; errors
// are those of tell, of ctx, and *[URLError].
func (l *Learner) Learn(ctx context.Context, s Subject, tell func(Step) error) (Lesson, error) {
	if err := l.Check(s); err != nil {
		return Lesson{}, err
	}
	run := &lesson{Learner: l, subject: s, tell: tell}
	err := run.run(ctx)
	if errors.Is(err, errEnd) {
		err = nil
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return run.Lesson, err
}

func (r *lesson) run(ctx context.Context) error {
	first, answer, failure, err := r.redeem(ctx, "redeem the refresh token", r.subject.Settings.RefreshToken)
	if err != nil {
		return err
	}
	if failure != nil {
		r.cannotTell("everything", "the refresh token was refused at once: "+failure.Message)
		return errEnd
	}
	r.Authentications = []token.ClientAuthentication{r.subject.Settings.ClientAuthentication}
	r.lifetimes(answer, first)
	works, err := r.resource(ctx, "does the access token work", first.access)
	if err != nil {
		return err
	}
	if err := r.refreshing(ctx, first, works); err != nil && !errors.Is(err, errEnd) {
		return err
	}
	return r.refusals(ctx)
}

// refreshing learns from a second refresh and what follows from it.
func (r *lesson) refreshing(ctx context.Context, first pair, works bool) error {
	held := newest(first.refresh, r.subject.Settings.RefreshToken)
	second, _, failure, err := r.redeem(ctx, "redeem the newest refresh token at once", held)
	if err != nil {
		return err
	}
	if failure != nil {
		return r.refusedEarly(first, failure)
	}
	r.early(first, second)
	rotated := r.rotation(first, second)
	if err := r.oldAccessToken(ctx, first, second, works); err != nil {
		return err
	}
	if !rotated {
		r.Recovery = token.Reusable
		return nil
	}
	if r.subject.Watch > 0 && works { // the pair has aged meanwhile
		held = second.refresh
		if second, _, failure, err = r.redeem(ctx, "redeem the newest refresh token", held); err != nil {
			return err
		}
		if failure != nil || second.refresh.IsZero() {
			r.cannotTell("rotation.recovery", "the newest refresh token was refused, or not rotated")
			return errEnd
		}
	}
	return r.oldRefreshToken(ctx, held, second)
}

func (r *lesson) refusedEarly(first pair, failure *token.Failure) error {
	if failure.Class == token.ClassThrottled {
		r.cannotTell("refresh.not_before", "the second request was limited: "+failure.Message)
		return errEnd
	}
	r.Early = EarlyRefused
	r.saw("refresh.not_before", fmt.Sprintf("a token that is %s old is not refreshed (%s): find out from which age on it is",
		r.now().Sub(first.at).Round(time.Second), failure.Message))
	r.cannotTell("rotation.recovery", "needs a second refresh, which is refused so early")
	r.cannotTell("old_access_token.fate", "needs a second refresh, which is refused so early")
	return errEnd
}

func (r *lesson) early(first, second pair) {
	if first.access.Equal(second.access) {
		r.Early = EarlySameToken
		r.saw("refresh.same_token_ok", "an early refresh gives the same access token again")
		return
	}
	r.Early = EarlyAccepted
	r.saw("refresh.not_before", "a refresh at once is accepted and gives another access token")
}

// rotation reports whether the second refresh token is another one than the first.
func (r *lesson) rotation(first, second pair) bool {
	given := r.subject.Settings.RefreshToken
	once := !first.refresh.IsZero() && !first.refresh.Equal(given)
	again := !second.refresh.IsZero() && !second.refresh.Equal(newest(first.refresh, given))
	switch {
	case once && again:
		r.Rotation = RotatesAlways
		r.saw("rotation.mode", "two of two refreshes gave another refresh token")
	case once || again:
		r.Rotation = RotatesSometimes
		r.saw("rotation.mode", "one of two refreshes gave another refresh token")
	default:
		r.Rotation = RotatesNever
		r.saw("rotation.mode", "no refresh gave another refresh token; the one there is was redeemed twice")
	}
	return again
}

// newest is the refresh token to go on with.
func newest(given, held seal.Secret) seal.Secret {
	if given.IsZero() {
		return held
	}
	return given
}

// redeem makes one token request. The failure is what the server made of it; the error ends the run.
func (r *lesson) redeem(ctx context.Context, purpose string, refresh seal.Secret) (pair, token.Answer, *token.Failure, error) {
	return r.redeemAs(ctx, purpose, r.subject.Settings, refresh)
}

func (r *lesson) redeemAs(
	ctx context.Context, purpose string, settings token.OAuth2, refresh seal.Secret,
) (pair, token.Answer, *token.Failure, error) {
	bounded, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	settings.RefreshToken = refresh
	grant := token.Grant{RefreshToken: refresh}
	answer, err := r.exchanger.Exchange(bounded, settings, grant)
	var issued token.Issued
	if err == nil {
		issued, err = r.exchanger.Read(answer, settings, grant)
	}
	failure, isFailure := errors.AsType[*token.Failure](err)
	step := Step{Purpose: purpose, HTTPStatus: answer.HTTPStatus, Outcome: "an access token"}
	switch {
	case isFailure:
		step.Outcome = string(failure.Class) + ": " + failure.Message
	case err != nil:
		return pair{}, answer, nil, err
	case !issued.RefreshToken.IsZero() && !issued.RefreshToken.Equal(refresh):
		step.Outcome = "an access token and another refresh token"
	}
	if ctx.Err() != nil {
		return pair{}, answer, nil, ctx.Err()
	}
	return pair{access: issued.AccessToken, refresh: issued.RefreshToken, at: r.now()}, answer, failure, r.tell(step)
}

// resource calls the API and reports whether the access token works there.
func (r *lesson) resource(ctx context.Context, purpose string, access seal.Secret) (bool, error) {
	if r.subject.ResourceURL == "" {
		return false, nil
	}
	bounded, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(bounded, http.MethodGet, r.subject.ResourceURL, http.NoBody)
	if err != nil {
		return false, &URLError{Field: "resource_url", Err: err}
	}
	if header := r.subject.Settings.Dialect.AccessTokenHeader; header != "" {
		request.Header.Set(header, access.Reveal())
	} else {
		scheme := r.subject.Settings.Dialect.AuthorizationScheme
		if scheme == "" {
			scheme = "Bearer"
		}
		request.Header.Set("Authorization", scheme+" "+access.Reveal())
	}
	purpose = "GET the resource: " + purpose
	response, err := r.http.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		return false, r.tell(Step{Purpose: purpose, Outcome: "no answer"})
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20))
	_ = response.Body.Close()
	works := response.StatusCode >= 200 && response.StatusCode <= 299
	outcome := "it does not"
	if works {
		outcome = "it does"
	}
	return works, r.tell(Step{Purpose: purpose, HTTPStatus: response.StatusCode, Outcome: outcome})
}

// refusals learns how a wrong refresh token is refused, and by that which ways of client authentication are accepted: no token is spent.
func (r *lesson) refusals(ctx context.Context) error {
	_, answer, failure, err := r.redeem(ctx, "redeem a refresh token that does not exist", seal.NewSecret(nobody))
	if err != nil {
		return err
	}
	if failure == nil {
		r.cannotTell("token.response.error_codes", "a refresh token that does not exist was redeemed")
		return nil
	}
	r.errorCode(answer, failure)
	ways := []token.ClientAuthentication{token.ClientSecretBasic, token.ClientSecretPost}
	used := r.subject.Settings.ClientAuthentication
	if !slices.Contains(ways, used) || failure.Class == token.ClassClientBroken {
		r.cannotTell("auth.alternatives", "only ways that send a client secret can be told apart, by how a wrong refresh token is refused")
		return nil
	}
	for _, way := range slices.DeleteFunc(ways, func(w token.ClientAuthentication) bool { return w == used }) {
		settings := r.subject.Settings
		settings.ClientAuthentication = way
		_, _, other, err := r.redeemAs(ctx, "the same with "+string(way), settings, seal.NewSecret(nobody))
		if err != nil {
			return err
		}
		if other != nil && other.Class == failure.Class && other.HTTPStatus == failure.HTTPStatus {
			r.Authentications = append(r.Authentications, way)
			r.saw("auth.alternatives", string(way)+" is accepted: a wrong refresh token is refused in the same way")
		} else {
			r.saw("auth.alternatives", string(way)+" is not accepted")
		}
	}
	return nil
}
