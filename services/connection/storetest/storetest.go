package storetest

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// Run runs every rule as a subtest on an empty store of its own.
func Run(t *testing.T, newStore func(t *testing.T) connection.Store) {
	for _, rule := range []struct {
		name string
		test func(*testing.T, connection.Store)
	}{
		{"EveryFieldComesBack", everyFieldComesBack},
		{"SecretsOnlyOnRequest", secretsOnlyOnRequest},
		{"CreateOnce", createOnce},
		{"NotFound", notFound},
		{"UpdateLeavesSettings", updateLeavesSettings},
		{"UpdateSettings", updateSettings},
		{"StaleWritesChangeNothing", staleWritesChangeNothing},
		{"ConcurrentWrites", concurrentWrites},
		{"Remove", remove},
		{"List", list},
		{"Scan", scan},
		{"DueWarnings", dueWarnings},
		{"EventsWithTheirChange", eventsWithTheirChange},
		{"EventsInOrder", eventsInOrder},
		{"ClaimsByProject", claimsByProject},
		{"ConcurrentClaims", concurrentClaims},
	} {
		t.Run(rule.name, func(t *testing.T) { rule.test(t, newStore(t)) })
	}
}

// noon is when everything here happens: whole microseconds, UTC.
func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 123456000, time.UTC) }

func named(project, id string) connection.Connection {
	return connection.Connection{
		Name: connection.Name{Project: project, ID: id}, UID: "uid-" + id,
		Settings: connection.Settings{Kind: connection.KindBasic, Basic: connection.Basic{
			Username: "user", Password: seal.NewSecret("password of " + id),
		}},
		Revision: 1, ConfigVersion: 1, State: connection.StateCreating, Pending: connection.PendingAuthorize,
		CreateTime: noon(), UpdateTime: noon(), StateTime: noon(),
	}
}

// full has every field set, and every place where there can be a secret.
func full() connection.Connection {
	parameters := func(prefix string) connection.Parameters {
		list := func(place string) []connection.Parameter {
			return []connection.Parameter{
				{Key: prefix + place + "1", Value: seal.NewSecret("open")},
				{Key: prefix + place + "2", Value: seal.NewSecret("secret " + prefix + place), Secret: true},
				{Key: prefix + place + "3"},
			}
		}
		return connection.Parameters{Headers: list("H"), Query: list("Q"), Body: list("B")}
	}
	c := named("p", "full")
	c.Description = "Ünïcode, 'quotes' and \"more\""
	c.Settings = connection.Settings{
		Kind: connection.KindOAuth2,
		OAuth2: connection.OAuth2{
			GrantType: connection.ClientCredentials, ClientSecret: seal.NewSecret("client secret"), Scopes: []string{"a", "b"},
			Token: parameters("token"),
		},
		Invocation: parameters("invocation"),
		APIBaseURL: "https://api.example.com/v2",
		Proxy:      connection.Proxy{Limit: connection.APILimit{PerSecond: 2.5, Burst: 7}, EncodedSlashes: true},
	}
	fill(reflect.ValueOf(&c.Settings.Connect).Elem(), "")
	fill(reflect.ValueOf(&c.Settings.OAuth2).Elem(), "")
	c.Revision, c.ConfigVersion = 7, 5
	c.State, c.Reason, c.Message = connection.StateFailedConnectivity, "NOT_SENT", "connection refused"
	c.Pending = connection.PendingDeauthorize
	c.Seen = connection.Seen{Generation: 3, StateTime: noon().Add(time.Second)}
	c.UpdateTime, c.StateTime, c.AuthorizeTime = noon().Add(time.Minute), noon().Add(time.Hour), noon().Add(time.Millisecond)
	c.GrantExpireTime, c.GrantWarningTime = noon().Add(48*time.Hour), noon().Add(24*time.Hour)
	return c
}

// fill sets every field of v that is not set, so that one which a store forgets is noticed. Values of fields differ.
func fill(v reflect.Value, path string) {
	if v.Type() != reflect.TypeFor[seal.Secret]() && v.Kind() == reflect.Struct {
		for i := range v.NumField() {
			fill(v.Field(i), path+"."+v.Type().Field(i).Name)
		}
		return
	}
	switch {
	case !v.IsZero():
	case v.Type() == reflect.TypeFor[seal.Secret]():
		v.Set(reflect.ValueOf(seal.NewSecret("secret" + path)))
	case v.Type() == reflect.TypeFor[time.Duration]():
		v.SetInt(int64(len(path)) * int64(time.Minute))
	case v.CanInt():
		v.SetInt(int64(len(path)))
	case v.Kind() == reflect.String:
		v.SetString("text" + path)
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.Kind() == reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"key": "value" + path, "other": ""}))
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.String:
		v.Set(reflect.ValueOf([]string{"first" + path, "second"}))
	}
}

func create(t *testing.T, s connection.Store, c connection.Connection) connection.Connection {
	t.Helper()
	require.NoError(t, s.Create(t.Context(), c, nil))
	c.RowVersion = 1
	return c
}

func get(t *testing.T, s connection.Store, c connection.Connection) connection.Connection {
	t.Helper()
	got, err := s.GetWithSecrets(t.Context(), c.Name)
	require.NoError(t, err)
	return got
}

// requireSame compares everything, secrets by their text.
func requireSame(t *testing.T, want, got connection.Connection) {
	t.Helper()
	require.True(t, want.Settings.Equal(got.Settings), "settings differ: %+v", got.Settings)
	want.Settings, got.Settings = connection.Settings{}, connection.Settings{}
	require.Equal(t, want, got)
}

func everyFieldComesBack(t *testing.T, s connection.Store) {
	want := create(t, s, full())
	requireSame(t, want, get(t, s, want))
	for _, kind := range []connection.Settings{
		{Kind: connection.KindAPIKey, APIKey: connection.APIKey{Name: "x-api-key", Value: seal.NewSecret("key")}},
		{Kind: connection.KindBasic, Basic: connection.Basic{Username: "u", Password: seal.NewSecret("p")}},
		{Kind: connection.KindOAuth1, OAuth1: connection.OAuth1{
			ConsumerKey: "c", ConsumerSecret: seal.NewSecret("s"), Token: "t", TokenSecret: seal.NewSecret("ts"), Method: "HMAC_SHA256", Realm: "r",
		}},
	} {
		c := named("p", string(kind.Kind))
		c.Settings = kind
		c = create(t, s, c)
		requireSame(t, c, get(t, s, c))
	}
}

func secretsOnlyOnRequest(t *testing.T, s connection.Store) {
	c := create(t, s, full())
	want := c
	want.Settings = c.Settings.WithoutSecrets()
	require.False(t, want.Settings.Equal(c.Settings))

	got, err := s.Get(t.Context(), c.Name)
	require.NoError(t, err)
	requireSame(t, want, got)
	list, err := s.List(t.Context(), "p", connection.Query{Limit: 10})
	require.NoError(t, err)
	requireSame(t, want, list[0])
	all, err := s.Scan(t.Context(), connection.Name{}, 10, false)
	require.NoError(t, err)
	requireSame(t, want, all[0])
}

func createOnce(t *testing.T, s connection.Store) {
	c := create(t, s, named("p", "a"))
	other := named("p", "a")
	other.UID, other.Description = "other", "other"
	require.ErrorIs(t, s.Create(t.Context(), other, event(other, 0)), connection.ErrExists)
	requireSame(t, c, get(t, s, c))
	require.Empty(t, claim(t, s, "o", noon()))
	create(t, s, named("q", "a")) // another project's names are its own
}

func notFound(t *testing.T, s connection.Store) {
	create(t, s, named("p", "a"))
	for _, name := range []connection.Name{{Project: "p", ID: "b"}, {Project: "q", ID: "a"}, {Project: "p", ID: "A"}} {
		_, err := s.Get(t.Context(), name)
		require.ErrorIs(t, err, connection.ErrNotFound)
		_, err = s.GetWithSecrets(t.Context(), name)
		require.ErrorIs(t, err, connection.ErrNotFound)
	}
}

func updateLeavesSettings(t *testing.T, s connection.Store) {
	c := create(t, s, named("p", "a"))
	next := full()
	next.Name, next.UID, next.RowVersion = c.Name, c.UID, c.RowVersion
	require.NoError(t, s.Update(t.Context(), next, nil))
	want := next
	want.Settings, want.RowVersion = c.Settings, 2
	requireSame(t, want, get(t, s, c))
}

func updateSettings(t *testing.T, s connection.Store) {
	c := named("p", "a")
	c.Settings = full().Settings
	c = create(t, s, c)
	next := full()
	next.Name, next.UID, next.RowVersion = c.Name, c.UID, c.RowVersion
	next.Settings.OAuth2.ClientSecret = seal.NewSecret("another")
	next.Settings.Invocation = connection.Parameters{}
	require.NoError(t, s.UpdateSettings(t.Context(), next, nil))
	next.RowVersion = 2
	requireSame(t, next, get(t, s, c))
}

func staleWritesChangeNothing(t *testing.T, s connection.Store) {
	c := create(t, s, named("p", "a"))
	require.NoError(t, s.Update(t.Context(), c, nil))
	other := c
	other.UID, other.RowVersion = "other", 2
	unknown := named("p", "b")
	for _, stale := range []connection.Connection{c, other, unknown} {
		stale.Description = "stale"
		stale.Settings.Basic.Username = "stale"
		require.ErrorIs(t, s.Update(t.Context(), stale, event(stale, 0)), connection.ErrStale)
		require.ErrorIs(t, s.UpdateSettings(t.Context(), stale, event(stale, 0)), connection.ErrStale)
	}
	c.RowVersion = 2
	requireSame(t, c, get(t, s, c))
	require.Empty(t, claim(t, s, "o", noon()))
}

func concurrentWrites(t *testing.T, s connection.Store) {
	c := create(t, s, named("p", "a"))
	const writers = 8
	outcomes := make(chan error, writers)
	for i := range writers {
		go func() {
			next := c
			next.Description = fmt.Sprint(i)
			outcomes <- s.Update(t.Context(), next, event(next, time.Duration(i)))
		}()
	}
	won := 0
	for range writers {
		if err := <-outcomes; err == nil {
			won++
		} else {
			require.ErrorIs(t, err, connection.ErrStale)
		}
	}
	require.Equal(t, 1, won)
	require.Len(t, claim(t, s, "o", noon()), 1)
}

func remove(t *testing.T, s connection.Store) {
	c := create(t, s, named("p", "a"))
	require.NoError(t, s.Remove(t.Context(), c))
	requireSame(t, c, get(t, s, c)) // it is not being deleted

	c.State = connection.StateDeleting
	require.NoError(t, s.Update(t.Context(), c, nil))
	former := c
	former.UID = "former"
	require.NoError(t, s.Remove(t.Context(), former))
	_, err := s.Get(t.Context(), c.Name)
	require.NoError(t, err)

	require.NoError(t, s.Remove(t.Context(), c)) // although it was written since
	require.NoError(t, s.Remove(t.Context(), c))
	_, err = s.Get(t.Context(), c.Name)
	require.ErrorIs(t, err, connection.ErrNotFound)
	create(t, s, named("p", "a"))
}
