package connect_test

import (
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/connect"
	"github.com/freshet-io/freshet/services/connection/connectiontest"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Wrap(m)) }

// browser is the cookie of these tests' end user.
const browser = "a browser that nobody guesses"

func drive() connection.Name { return connection.Name{Project: "p", ID: "drive"} }

func ada() connection.GrantName { return connection.GrantName{Connection: drive(), ID: "ada"} }

// inBubble runs a test with a suite whose token service obtains nothing by itself. The loops of the connection service run; those of
// sessions do as the test says.
func inBubble(t *testing.T, test func(t *testing.T, s *connectiontest.Suite)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := connectiontest.NewSuite(t, sqltest.Open(t, sqldb.SQLite, connectiontest.Migrations()))
		connectiontest.Start(t, s.Service)
		_, err := s.Service.Create(t.Context(), connection.Draft{Name: drive(), Settings: users()}, false)
		require.NoError(t, err)
		test(t, s)
	})
}

// users are the settings of a connection of users.
func users() connection.Settings {
	return connection.Settings{
		Kind: connection.KindOAuth2, Connect: connection.Connect{ReturnURLs: []string{"https://app.example/done"}},
		OAuth2: connection.OAuth2{
			GrantType: connection.CodeGrant, TokenEndpoint: "https://as.example/token", ClientID: "id", ClientSecret: seal.NewSecret("s"),
			ClientAuthentication: connection.ClientSecretBasic, Scopes: []string{"files"},
			Authorize: connection.Authorize{Endpoint: "https://as.example/authorize?tenant=7"},
		},
	}
}

// begun starts a session for ada and begins it; it returns the session and the authorization request.
func begun(t *testing.T, s *connectiontest.Suite, r connect.Request) (connect.Session, url.Values) {
	t.Helper()
	session, link, err := s.Connect.Start(t.Context(), drive(), "ada", r)
	require.NoError(t, err)
	view, err := s.Connect.Begin(t.Context(), secretOf(t, link), browser)
	require.NoError(t, err)
	require.Equal(t, connect.Redirect, view.Kind, view.Reason)
	target, err := url.Parse(view.URL)
	require.NoError(t, err)
	require.Equal(t, "7", target.Query().Get("tenant"), "what the endpoint has stays")
	return session, target.Query()
}

// secretOf is the last segment of a link.
func secretOf(t *testing.T, link string) string {
	t.Helper()
	u, err := url.Parse(link)
	require.NoError(t, err)
	require.Equal(t, connectiontest.PublicURL, u.Scheme+"://"+u.Host)
	return u.Path[len("/connect/"):]
}

// finish brings a code back; the view comes by the channel.
func finish(t *testing.T, s *connectiontest.Suite, request url.Values, code string) <-chan connect.View {
	t.Helper()
	out := make(chan connect.View, 1)
	go func() {
		view, err := s.Connect.Finish(t.Context(), url.Values{"state": {request.Get("state")}, "code": {code}}, browser)
		if err != nil {
			view.Kind = connect.ViewKind(err.Error())
		}
		out <- view
	}()
	return out
}

func requireState(t *testing.T, s *connectiontest.Suite, name connect.Name, want connect.State) connect.Session {
	t.Helper()
	session, err := s.Connect.Get(t.Context(), name)
	require.NoError(t, err)
	require.Equal(t, want, session.State, "%s %s", session.Reason, session.Message)
	return session
}

func (o outcome) report(s *connectiontest.Suite) {
	s.Tokens.Report(ada().Token(), o.state, o.reason, "said")
}

// outcome is what the token service says of the code.
type outcome struct {
	state  tokenv1.Token_State
	reason errorsv1.Reason
}

var (
	good = outcome{state: tokenv1.Token_AUTHORIZED}
	dead = outcome{tokenv1.Token_DEAUTHORIZED, errorsv1.Reason_GRANT_DEAD}
)

// run has the loop of sessions run until the test ends.
func run(t *testing.T, s *connectiontest.Suite) {
	t.Helper()
	connectiontest.Loop(t, s.Connect.Run)
	synctest.Wait()
}

func after(d time.Duration) {
	time.Sleep(d) // of the bubble
	synctest.Wait()
}
