package learn_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/internal/egress"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/learn"
	"github.com/freshet-io/freshet/services/token/oauth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newLearner(t *testing.T, allow ...string) *learn.Learner {
	t.Helper()
	networks, err := egress.ParseNetworks(allow)
	require.NoError(t, err)
	guard := egress.NewGuard(egress.Policy{AllowNetworks: networks, AllowHTTP: true}, egress.Options{})
	client := guard.Client()
	t.Cleanup(client.CloseIdleConnections)
	exchanger, err := oauth.New(oauth.Config{HTTP: client, Denied: egress.IsDenied})
	require.NoError(t, err)
	return learn.New(exchanger, client, func(raw string) error {
		_, err := guard.CheckURL(raw)
		return err
	}, time.Now)
}

func subject(s *server, watch time.Duration) learn.Subject {
	return learn.Subject{Watch: watch, ResourceURL: s.URL + "/me", Settings: token.OAuth2{
		Grant: token.KindRefreshToken, TokenEndpoint: s.URL + "/token", ClientID: "id", ClientSecret: seal.NewSecret("secret"),
		ClientAuthentication: token.ClientSecretPost, RefreshToken: seal.NewSecret("r0"),
	}}
}

// TestLessons has a server for each behavior, and wants exactly that to be learnt of it.
func TestLessons(t *testing.T) {
	const both = "CLIENT_SECRET_POST CLIENT_SECRET_BASIC"
	for name, test := range map[string]struct {
		is    behavior
		watch time.Duration
		want  learn.Lesson
		ways  string // default: both
	}{
		"one refresh token that stays": {
			want: learn.Lesson{Rotation: learn.RotatesNever, Recovery: token.Reusable, OldToken: token.Survives, Early: learn.EarlyAccepted},
		},
		"single use": {
			is:   behavior{rotates: true},
			want: learn.Lesson{Rotation: learn.RotatesAlways, Recovery: token.SingleUse, OldToken: token.Survives, Early: learn.EarlyAccepted},
		},
		"grace": {
			is:    behavior{rotates: true, recovery: token.Grace, grace: 1200 * time.Millisecond},
			watch: 2 * time.Second,
			want: learn.Lesson{
				Rotation: learn.RotatesAlways, Recovery: token.Grace, Grace: time.Second, OldToken: token.Survives, Early: learn.EarlyAccepted,
			},
		},
		"grace that is not watched": {
			is: behavior{rotates: true, recovery: token.Grace, grace: time.Minute},
			want: learn.Lesson{
				Rotation: learn.RotatesAlways, Recovery: token.Grace, Grace: time.Second, OldToken: token.Survives, Early: learn.EarlyAccepted,
			},
		},
		"until the successor is used": {
			is:   behavior{rotates: true, recovery: token.UntilSuccessorUsed},
			want: learn.Lesson{Rotation: learn.RotatesAlways, Recovery: token.UntilSuccessorUsed, OldToken: token.Survives, Early: learn.EarlyAccepted},
		},
		"the same answer again": {
			is:   behavior{rotates: true, recovery: token.Idempotent},
			want: learn.Lesson{Rotation: learn.RotatesAlways, Recovery: token.Idempotent, OldToken: token.Survives, Early: learn.EarlyAccepted},
		},
		"old access token killed": {
			is:   behavior{rotates: true, old: token.Killed},
			want: learn.Lesson{Rotation: learn.RotatesAlways, Recovery: token.SingleUse, OldToken: token.Killed, Early: learn.EarlyAccepted},
		},
		"old access token with a leeway": {
			is:    behavior{old: token.Leeway, leeway: 500 * time.Millisecond},
			watch: 2 * time.Second,
			want: learn.Lesson{
				Rotation: learn.RotatesNever, Recovery: token.Reusable, OldToken: token.Leeway, Leeway: time.Second, Early: learn.EarlyAccepted,
			},
		},
		"early refresh refused": {
			is:   behavior{rotates: true, notBefore: time.Hour},
			want: learn.Lesson{Early: learn.EarlyRefused},
		},
		"same token": {
			is:   behavior{sameToken: true},
			want: learn.Lesson{Rotation: learn.RotatesNever, Recovery: token.Reusable, Early: learn.EarlySameToken},
		},
		"an error code of its own, one way of authentication": {
			is: behavior{badCode: "wrong_token", postOnly: true},
			want: learn.Lesson{
				Rotation: learn.RotatesNever, Recovery: token.Reusable, OldToken: token.Survives, Early: learn.EarlyAccepted,
				ErrorCodes: map[string]string{"wrong_token": "invalid_grant"},
			},
			ways: "CLIENT_SECRET_POST",
		},
		"an error code that is understood": {
			is:   behavior{badCode: "bad_refresh_token"},
			want: learn.Lesson{Rotation: learn.RotatesNever, Recovery: token.Reusable, OldToken: token.Survives, Early: learn.EarlyAccepted},
		},
		"an error code that says something else": {
			is:   behavior{badCode: "invalid_request"},
			want: learn.Lesson{Rotation: learn.RotatesNever, Recovery: token.Reusable, OldToken: token.Survives, Early: learn.EarlyAccepted},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, test.is)
			var steps []learn.Step
			got, err := newLearner(t, "loopback").Learn(t.Context(), subject(s, test.watch), func(step learn.Step) error {
				steps = append(steps, step)
				return nil
			})
			require.NoError(t, err)
			require.GreaterOrEqual(t, len(steps), 5)
			require.Equal(t, orElse(test.ways, both), joined(got.Authentications))

			want := test.want
			want.TokenType, want.Lifetime, want.LifetimeUnit = "Bearer", time.Hour, "SECONDS"
			want.Observations, want.Authentications = got.Observations, got.Authentications
			require.Equal(t, want, got, "%+v", steps)
			for _, step := range steps {
				require.NotContains(t, step.Outcome, "access1")
			}
		})
	}
}

func joined(ways []token.ClientAuthentication) string {
	var out []string
	for _, way := range ways {
		out = append(out, string(way))
	}
	return strings.Join(out, " ")
}

func TestLifetimes(t *testing.T) {
	for name, test := range map[string]struct {
		is       behavior
		lifetime time.Duration
		unit     string
	}{
		"seconds by the token itself":      {behavior{jwt: true}, time.Hour, "SECONDS"},
		"milliseconds by the token itself": {behavior{jwt: true, expiresIn: 3_600_000}, time.Hour, "MILLISECONDS"},
		"minutes by the token itself":      {behavior{jwt: true, expiresIn: "60"}, time.Hour, "MINUTES"},
		"none that fits the token itself":  {behavior{jwt: true, expiresIn: 5000}, 0, ""},
		"text":                             {behavior{expiresIn: "3600"}, time.Hour, "SECONDS"},
		"too long for seconds":             {behavior{expiresIn: 86_400_000}, 24 * time.Hour, "MILLISECONDS"},
		"none":                             {behavior{expiresIn: "never"}, 0, ""},
		"absurd":                           {behavior{expiresIn: 1e300}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := newLearner(t, "loopback").Learn(t.Context(), subject(newServer(t, test.is), 0), func(learn.Step) error { return nil })
			require.NoError(t, err)
			require.Equal(t, test.lifetime, got.Lifetime)
			require.Equal(t, test.unit, got.LifetimeUnit)
		})
	}
}

// TestWhatCannotBeTold is said, not guessed.
func TestWhatCannotBeTold(t *testing.T) {
	unknown := func(l learn.Lesson) string {
		var out []string
		for _, o := range l.Observations {
			if !o.Known {
				out = append(out, o.Subject)
			}
		}
		return strings.Join(out, " ")
	}
	learner := newLearner(t, "loopback")
	tell := func(learn.Step) error { return nil }

	s := newServer(t, behavior{rotates: true})
	without := subject(s, 0)
	without.ResourceURL = ""
	got, err := learner.Learn(t.Context(), without, tell)
	require.NoError(t, err)
	require.Empty(t, got.OldToken)
	require.Contains(t, unknown(got), "old_access_token.fate")
	require.Equal(t, token.SingleUse, got.Recovery)

	spent := subject(s, 0) // the same grant again
	got, err = learner.Learn(t.Context(), spent, tell)
	require.NoError(t, err)
	require.Equal(t, "everything", unknown(got))

	elsewhere := subject(newServer(t, behavior{}), 0)
	elsewhere.ResourceURL = elsewhere.ResourceURL + "/nothing"
	got, err = learner.Learn(t.Context(), elsewhere, tell)
	require.NoError(t, err)
	require.Empty(t, got.OldToken)
	require.Contains(t, unknown(got), "old_access_token.fate")
}

func TestItStaysWithinTheEgressRule(t *testing.T) {
	s := newServer(t, behavior{})
	for field, change := range map[string]func(*learn.Subject){
		"oauth2.token_endpoint": func(*learn.Subject) {},
		"resource_url":          func(s *learn.Subject) { s.Settings.TokenEndpoint = "https://as.example/token" },
	} {
		of := subject(s, 0)
		change(&of)
		_, err := newLearner(t).Learn(t.Context(), of, func(learn.Step) error { return nil })
		var refused *learn.URLError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, field, refused.Field)
	}
	require.Zero(t, s.count)
}

func TestItEndsWithItsCaller(t *testing.T) {
	s := newServer(t, behavior{rotates: true})
	gone := errors.New("gone")
	_, err := newLearner(t, "loopback").Learn(t.Context(), subject(s, 0), func(learn.Step) error { return gone })
	require.ErrorIs(t, err, gone)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = newLearner(t, "loopback").Learn(ctx, subject(newServer(t, behavior{}), time.Hour), func(learn.Step) error { return nil })
	require.ErrorIs(t, err, context.Canceled)
}

func TestThePlanNamesWhatIsDone(t *testing.T) {
	s := newServer(t, behavior{rotates: true})
	plan := learn.Plan(subject(s, time.Minute))
	require.Len(t, plan, 9)
	require.Contains(t, plan[1], "GET "+s.URL+"/me")
	require.Contains(t, plan[3], "again and again for 1m0s")
	require.Zero(t, s.count, "nothing is sent for it")
}
