package storetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// GrantStore is what grants and their connections are kept in.
type GrantStore interface {
	connection.Store
	connection.GrantStore
}

// RunGrants runs every rule as a subtest on an empty store of its own.
func RunGrants(t *testing.T, newStore func(t *testing.T) GrantStore) {
	for _, rule := range []struct {
		name string
		test func(*testing.T, GrantStore)
	}{
		{"EveryFieldComesBack", everyFieldOfAGrant},
		{"CreateOnce", createGrantOnce},
		{"StaleWritesChangeNothing", staleGrantWrites},
		{"Remove", removeGrant},
		{"List", listGrants},
		{"ListEnding", listEndingGrants},
		{"DueWarnings", dueGrantWarnings},
		{"Scan", scanGrants},
		{"ConnectionInUse", connectionInUse},
		{"CreationMeetsDeletion", creationMeetsDeletion},
		{"Events", grantEvents},
	} {
		t.Run(rule.name, func(t *testing.T) { rule.test(t, newStore(t)) })
	}
}

// granted is a grant with every field set.
func granted(connectionID, id string) connection.Grant {
	return connection.Grant{
		Name: connection.GrantName{Connection: connection.Name{Project: "p", ID: connectionID}, ID: id}, UID: "uid-" + id,
		EndUser: "user-" + id, Metadata: map[string]string{"plan": "pro"},
		Credential: connection.GrantCredential{
			RefreshToken: seal.NewSecret("refresh " + id), AccessToken: seal.NewSecret("access " + id), ExpireTime: noon().Add(time.Hour),
			TokenType: "Bearer", Scopes: []string{"read"}, Nonce: seal.NewSecret("nonce " + id),
			Code: connection.AuthorizationCode{
				Code: seal.NewSecret("code " + id), RedirectURI: "https://connect.example/", CodeVerifier: seal.NewSecret("verifier " + id),
			},
		},
		Account:  map[string]string{"instance_url": "https://" + id + ".example"},
		Revision: 3, ConfigVersion: 2, State: connection.StateAuthorized, Reason: "NOT_SENT", Message: "said",
		Pending: connection.PendingDeauthorize, Revoke: true, Seen: connection.Seen{Generation: 4, StateTime: noon().Add(time.Minute)},
		CreateTime: noon(), UpdateTime: noon().Add(time.Second), StateTime: noon().Add(time.Minute), AuthorizeTime: noon().Add(time.Minute),
		ExpireTime: noon().Add(24 * time.Hour), WarningTime: noon().Add(time.Hour),
	}
}

// putGrants stores a connection, unless it is there, and grants under it.
func putGrants(t *testing.T, s GrantStore, grants ...connection.Grant) {
	t.Helper()
	for _, g := range grants {
		of := named(g.Name.Connection.Project, g.Name.Connection.ID)
		if _, err := s.Get(t.Context(), of.Name); err != nil {
			require.NoError(t, s.Create(t.Context(), of, nil))
		}
		require.NoError(t, s.CreateGrant(t.Context(), g, of.UID, nil))
	}
}

func everyFieldOfAGrant(t *testing.T, s GrantStore) {
	g := granted("c", "ada")
	_, err := s.GetGrant(t.Context(), g.Name)
	require.ErrorIs(t, err, connection.ErrGrantNotFound)
	putGrants(t, s, g)
	g.RowVersion = 1
	got, err := s.GetGrantWithCredential(t.Context(), g.Name)
	require.NoError(t, err)
	require.Equal(t, g, got)

	g.Account = map[string]string{"realm": "7"}
	g.EndUser, g.Metadata, g.State, g.Pending, g.Revoke = "", nil, connection.StateFailedConnectivity, connection.PendingNothing, false
	changed := g
	changed.Credential = connection.GrantCredential{}
	require.NoError(t, s.UpdateGrant(t.Context(), changed, nil))
	g.RowVersion = 2
	got, err = s.GetGrantWithCredential(t.Context(), g.Name)
	require.NoError(t, err)
	require.Equal(t, g, got, "the credential stays")

	g.Credential = connection.GrantCredential{RefreshToken: seal.NewSecret("next")}
	require.NoError(t, s.UpdateCredential(t.Context(), g, nil))
	got, err = s.GetGrantWithCredential(t.Context(), g.Name)
	require.NoError(t, err)
	require.Equal(t, "next", got.Credential.RefreshToken.Reveal())
	bare, err := s.GetGrant(t.Context(), g.Name)
	require.NoError(t, err)
	require.True(t, bare.Credential.IsZero())
	seen, err := s.GrantsSeen(t.Context())
	require.NoError(t, err)
	require.Equal(t, g.Seen.StateTime, seen)
}

func createGrantOnce(t *testing.T, s GrantStore) {
	g := granted("c", "ada")
	require.ErrorIs(t, s.CreateGrant(t.Context(), g, "uid-c", nil), connection.ErrStale, "there is no connection")
	putGrants(t, s, g)
	require.ErrorIs(t, s.CreateGrant(t.Context(), g, "uid-c", nil), connection.ErrExists)
	g.Name.ID = "bob"
	require.ErrorIs(t, s.CreateGrant(t.Context(), g, "uid-of-another", nil), connection.ErrStale)
}

func staleGrantWrites(t *testing.T, s GrantStore) {
	g := granted("c", "ada")
	putGrants(t, s, g)
	require.ErrorIs(t, s.UpdateGrant(t.Context(), g, nil), connection.ErrStale)
	g.RowVersion, g.UID = 1, "uid-of-another"
	require.ErrorIs(t, s.UpdateCredential(t.Context(), g, nil), connection.ErrStale)
	got, err := s.GetGrant(t.Context(), g.Name)
	require.NoError(t, err)
	require.EqualValues(t, 1, got.RowVersion)
}

func removeGrant(t *testing.T, s GrantStore) {
	g := granted("c", "ada")
	putGrants(t, s, g)
	require.NoError(t, s.RemoveGrant(t.Context(), g))
	_, err := s.GetGrant(t.Context(), g.Name)
	require.NoError(t, err, "it is not being deleted")
	g.RowVersion, g.State = 1, connection.StateDeleting
	require.NoError(t, s.UpdateGrant(t.Context(), g, nil))
	another := g
	another.UID = "uid-of-another"
	require.NoError(t, s.RemoveGrant(t.Context(), another))
	_, err = s.GetGrant(t.Context(), g.Name)
	require.NoError(t, err)
	require.NoError(t, s.RemoveGrant(t.Context(), g))
	_, err = s.GetGrant(t.Context(), g.Name)
	require.ErrorIs(t, err, connection.ErrGrantNotFound)
}

// listGrants: every filter, over pages of two.
func listGrants(t *testing.T, s GrantStore) {
	for i, connectionID := range []string{"a", "b"} {
		for j := range 5 {
			g := granted(connectionID, fmt.Sprintf("g%d", j))
			g.UID += connectionID
			g.EndUser = []string{"ada", "bob", ""}[j%3]
			g.State = []connection.State{connection.StateAuthorized, connection.StateDeauthorized}[(i+j)%2]
			putGrants(t, s, g)
		}
	}
	for _, test := range []struct {
		query connection.GrantQuery
		want  string
	}{
		{connection.GrantQuery{}, "a/g0 a/g1 a/g2 a/g3 a/g4 b/g0 b/g1 b/g2 b/g3 b/g4 "},
		{connection.GrantQuery{Connection: "b"}, "b/g0 b/g1 b/g2 b/g3 b/g4 "},
		{connection.GrantQuery{Connection: "a", State: connection.StateAuthorized}, "a/g0 a/g2 a/g4 "},
		{connection.GrantQuery{State: connection.StateDeauthorized}, "a/g1 a/g3 b/g0 b/g2 b/g4 "},
		{connection.GrantQuery{EndUser: "ada"}, "a/g0 a/g3 b/g0 b/g3 "},
		{connection.GrantQuery{EndUser: "bob", Connection: "b"}, "b/g1 b/g4 "},
		{connection.GrantQuery{EndUser: "ada", State: connection.StateAuthorized}, "a/g0 b/g3 "},
		{connection.GrantQuery{EndUser: "ada", Connection: "a", State: connection.StateDeauthorized}, "a/g3 "},
		{connection.GrantQuery{EndUser: "nobody"}, ""},
	} {
		got, q := "", test.query
		for q.Limit = 2; ; {
			page, err := s.ListGrants(t.Context(), "p", q)
			require.NoError(t, err)
			for _, g := range page {
				got += g.Name.Connection.ID + "/" + g.Name.ID + " "
				q.After = g.Cursor()
			}
			if len(page) < q.Limit {
				break
			}
		}
		require.Equal(t, test.want, got, "%+v", test.query)
	}
	other, err := s.ListGrants(t.Context(), "other", connection.GrantQuery{Limit: 9})
	require.NoError(t, err)
	require.Empty(t, other)
}

func scanGrants(t *testing.T, s GrantStore) {
	for id, state := range map[string]connection.State{
		"a": connection.StateAuthorizing, "b": connection.StateUpdating, "c": connection.StateAuthorized, "d": connection.StateAuthorizing,
	} {
		g := granted("c", id)
		g.State = state
		if id != "d" {
			g.Pending = connection.PendingNothing
		}
		putGrants(t, s, g)
	}
	for scope, want := range map[connection.GrantScope]string{connection.GrantsPending: "d", connection.GrantsWaiting: "ab"} {
		var got []string
		var after connection.GrantName
		for {
			page, err := s.ScanGrants(t.Context(), scope, after, 1)
			require.NoError(t, err)
			if len(page) == 0 {
				break
			}
			after = page[0].Name
			got = append(got, after.ID)
		}
		require.Equal(t, want, strings.Join(got, ""), scope)
	}
}

func connectionInUse(t *testing.T, s GrantStore) {
	g := granted("c", "ada")
	putGrants(t, s, g)
	c, err := s.Get(t.Context(), g.Name.Connection)
	require.NoError(t, err)
	c.State = connection.StateDeleting
	require.ErrorIs(t, s.Update(t.Context(), c, nil), connection.ErrInUse)
	g.RowVersion, g.State = 1, connection.StateDeleting
	require.NoError(t, s.UpdateGrant(t.Context(), g, nil))
	require.NoError(t, s.RemoveGrant(t.Context(), g))
	require.NoError(t, s.Update(t.Context(), c, nil))
	g.Name.ID = "bob"
	require.ErrorIs(t, s.CreateGrant(t.Context(), g, c.UID, nil), connection.ErrStale, "it is being deleted")
}

// creationMeetsDeletion: never is there a grant of a connection that is being deleted.
func creationMeetsDeletion(t *testing.T, s GrantStore) {
	for i := range 10 {
		id := fmt.Sprintf("c%d", i)
		c := named("p", id)
		require.NoError(t, s.Create(t.Context(), c, nil))
		c.RowVersion, c.State = 1, connection.StateDeleting
		var created, deleted error
		var wg sync.WaitGroup
		wg.Go(func() { created = s.CreateGrant(t.Context(), granted(id, "ada"), c.UID, nil) })
		wg.Go(func() { deleted = s.Update(t.Context(), c, nil) })
		wg.Wait()
		if created == nil {
			require.ErrorIs(t, deleted, connection.ErrInUse)
		} else {
			require.ErrorIs(t, created, connection.ErrStale)
			require.NoError(t, deleted)
		}
	}
}

func grantEvents(t *testing.T, s GrantStore) {
	g := granted("c", "ada")
	require.NoError(t, s.Create(t.Context(), named("p", "c"), nil))
	e := connection.StateEvent{
		ID: "1", Connection: g.Name.Connection, Grant: "ada", EndUser: "user", UID: g.UID, State: connection.StateCreating, Time: noon(),
	}
	require.NoError(t, s.CreateGrant(t.Context(), g, "uid-c", &e))
	got, err := s.ClaimEvents(t.Context(), "me", noon(), noon().Add(time.Minute), 9)
	require.NoError(t, err)
	require.Equal(t, []connection.StateEvent{e}, got)
}
