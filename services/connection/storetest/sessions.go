package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/connect"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// RunSessions runs every rule for authorization sessions as a subtest on an empty store of its own.
func RunSessions(t *testing.T, newStore func(t *testing.T) connect.Store) {
	for _, rule := range []struct {
		name string
		test func(*testing.T, connect.Store)
	}{
		{"EveryFieldComesBack", everyFieldOfASession},
		{"FoundByWhatABrowserHas", foundSessions},
		{"StaleWritesChangeNothing", staleSessionWrites},
		{"Due", dueSessions},
		{"Remove", removeSession},
	} {
		t.Run(rule.name, func(t *testing.T) { rule.test(t, newStore(t)) })
	}
}

// sessionOf is a session with every field set.
func sessionOf(project string, n int) connect.Session {
	id := fmt.Sprintf("01JZZZZZZZZZZZZZZZZZZZZZ%02d", n)
	of := connection.Name{Project: project, ID: "drive"}
	return connect.Session{
		Name: connect.Name{Connection: of, ID: id}, ConnectionUID: "uid-drive", Grant: connection.GrantName{Connection: of, ID: "ada"},
		Request: connect.Request{
			EndUser: "user-1", Metadata: map[string]string{"plan": "pro"}, ReturnURL: "https://app.example/", Scopes: []string{"a", "b"},
			Parameters: map[string]string{"prompt": "login"}, Locale: "de", SkipPage: true,
		},
		Link: connect.Hash("link" + id), Browser: connect.Hash("browser" + id), StateHash: connect.Hash("state" + id),
		RedirectURI: "https://connect.example/oauth/callback",
		Secrets: connect.Secrets{
			Verifier: seal.NewSecret("verifier"), Nonce: seal.NewSecret("nonce"), Code: seal.NewSecret("code"),
			Former: granted("drive", "ada").Credential,
		},
		State: connect.Redeeming, Reason: "NOT_SENT", Message: "said", Told: map[string]string{"realm_id": "7"}, Created: true,
		GrantUID: "uid-ada", GrantRevision: 3, CreateTime: noon(), ExpireTime: noon().Add(10 * time.Minute), EndTime: noon().Add(time.Minute),
		DueTime: noon().Add(time.Duration(n) * time.Minute),
	}
}

func putSession(t *testing.T, s connect.Store, session connect.Session) connect.Session {
	t.Helper()
	require.NoError(t, s.CreateSession(t.Context(), session))
	session.RowVersion = 1
	return session
}

func everyFieldOfASession(t *testing.T, s connect.Store) {
	want := putSession(t, s, sessionOf("p", 1))
	got, err := s.FindSession(t.Context(), "p", connect.ByLink, want.Link)
	require.NoError(t, err)
	require.Equal(t, want, got)

	want.Request = connect.Request{}
	want.Secrets, want.Told, want.Created, want.State, want.Browser, want.StateHash = connect.Secrets{}, nil, false, connect.Denied, "b", "s"
	require.NoError(t, s.UpdateSession(t.Context(), want))
	want.RowVersion = 2
	got, err = s.FindSession(t.Context(), "p", connect.ByState, "s")
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func foundSessions(t *testing.T, s connect.Store) {
	one := putSession(t, s, sessionOf("p", 1))
	begun := sessionOf("p", 2)
	begun.StateHash, begun.Browser = "", ""
	putSession(t, s, begun)
	also := sessionOf("p", 3) // any number that nobody has begun with
	also.StateHash, also.Browser = "", ""
	putSession(t, s, also)

	got, err := s.GetSession(t.Context(), one.Name)
	require.NoError(t, err)
	one.Secrets = connect.Secrets{}
	require.Equal(t, one, got, "without secrets")
	for _, name := range []connect.Name{
		{Connection: connection.Name{Project: "q", ID: "drive"}, ID: one.Name.ID},
		{Connection: connection.Name{Project: "p", ID: "other"}, ID: one.Name.ID},
	} {
		_, err = s.GetSession(t.Context(), name)
		require.ErrorIs(t, err, connect.ErrNotFound)
	}
	for by, hash := range map[connect.Key]string{connect.ByLink: one.StateHash, connect.ByState: one.Link} {
		_, err = s.FindSession(t.Context(), "p", by, hash)
		require.ErrorIs(t, err, connect.ErrNotFound)
	}
	_, err = s.FindSession(t.Context(), "p", connect.ByState, "")
	require.ErrorIs(t, err, connect.ErrNotFound)
	_, err = s.FindSession(t.Context(), "q", connect.ByLink, one.Link)
	require.ErrorIs(t, err, connect.ErrNotFound)
}

func staleSessionWrites(t *testing.T, s connect.Store) {
	session := putSession(t, s, sessionOf("p", 1))
	require.NoError(t, s.UpdateSession(t.Context(), session))
	session.State = connect.Completed
	require.ErrorIs(t, s.UpdateSession(t.Context(), session), connect.ErrStale)
	got, err := s.GetSession(t.Context(), session.Name)
	require.NoError(t, err)
	require.Equal(t, connect.Redeeming, got.State)
}

func dueSessions(t *testing.T, s connect.Store) {
	for n, project := range []string{"p", "q", "p"} {
		putSession(t, s, sessionOf(project, n+1))
	}
	due, err := s.DueSessions(t.Context(), noon().Add(2*time.Minute), 10)
	require.NoError(t, err)
	require.Len(t, due, 2)
	require.Equal(t, "p", due[0].Name.Connection.Project)
	require.Equal(t, "code", due[0].Secrets.Code.Reveal())
	due, err = s.DueSessions(t.Context(), noon().Add(time.Hour), 1)
	require.NoError(t, err)
	require.Len(t, due, 1)
}

func removeSession(t *testing.T, s connect.Store) {
	one, two := putSession(t, s, sessionOf("p", 1)), putSession(t, s, sessionOf("p", 2))
	require.NoError(t, s.RemoveSession(t.Context(), one.Name))
	require.NoError(t, s.RemoveSession(t.Context(), one.Name))
	_, err := s.GetSession(t.Context(), one.Name)
	require.ErrorIs(t, err, connect.ErrNotFound)
	_, err = s.GetSession(t.Context(), two.Name)
	require.NoError(t, err)
}
