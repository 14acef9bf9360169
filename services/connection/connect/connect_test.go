package connect_test

import (
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/connect"
	"github.com/freshet-io/freshet/services/connection/connectiontest"
	"github.com/freshet-io/freshet/services/internal/seal"
)

func TestExpires(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		run(t, s)
		session, link, err := s.Connect.Start(t.Context(), drive(), "ada", connect.Request{})
		require.NoError(t, err)
		begunToo, request := begun(t, s, connect.Request{})
		after(connect.DefaultLifetime - time.Second)
		view, err := s.Connect.Show(t.Context(), secretOf(t, link))
		require.NoError(t, err)
		require.Equal(t, connect.Ask, view.Kind)
		after(time.Second)
		requireState(t, s, session.Name, connect.Expired)
		view, err = s.Connect.Show(t.Context(), secretOf(t, link))
		require.NoError(t, err)
		require.Equal(t, connect.TooLate, view.Kind)
		require.Equal(t, connect.TooLate, (<-finish(t, s, request, "c")).Kind)
		after(time.Minute)
		requireState(t, s, begunToo.Name, connect.Expired)
		require.Empty(t, s.Tokens.Calls())

		after(25 * time.Hour)
		_, err = s.Connect.Get(t.Context(), session.Name)
		require.ErrorIs(t, err, connect.ErrNotFound)
	})
}

// The browser that waits hears of the outcome as soon as it is there; what it began with is kept from the provider's eyes.
func TestCompletes(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		session, request := begun(t, s, connect.Request{EndUser: "user-1", Scopes: []string{"files", "mail"}, ReturnURL: "https://app.example/done"})
		require.Equal(t, "files mail", request.Get("scope"))
		require.Len(t, request.Get("code_challenge"), 43)
		began := time.Now()
		done := finish(t, s, request, "the code")
		synctest.Wait()
		g, settings, err := s.Service.GrantSettings(t.Context(), ada())
		require.NoError(t, err)
		require.Equal(t, "user-1", g.EndUser)
		require.Equal(t, connection.CodeGrant, settings.OAuth2.GrantType)
		require.Equal(t, "the code", settings.OAuth2.Code.Code.Reveal())
		require.Equal(t, connectiontest.PublicURL+"/oauth/callback", settings.OAuth2.Code.RedirectURI)
		require.Len(t, settings.OAuth2.Code.CodeVerifier.Reveal(), 52)
		require.Equal(t, []string{"files", "mail"}, settings.OAuth2.Scopes)
		good.report(s)
		view := <-done
		require.Equal(t, connect.Redirect, view.Kind)
		require.Contains(t, view.URL, "https://app.example/done?")
		require.Contains(t, view.URL, "status=completed")
		require.Less(t, time.Since(began), time.Second)
		require.Empty(t, requireState(t, s, session.Name, connect.Completed).Secrets.Code.Reveal())
	})
}

// An outcome that takes long is told by the session: whoever waits is not kept for ever.
func TestPending(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		run(t, s)
		session, request := begun(t, s, connect.Request{})
		require.Equal(t, connect.Pending, (<-finish(t, s, request, "c")).Kind)
		requireState(t, s, session.Name, connect.Redeeming)
		good.report(s)
		after(time.Minute)
		requireState(t, s, session.Name, connect.Completed)
		require.Equal(t, connect.Connected, (<-finish(t, s, request, "another code")).Kind)
	})
}

// A process that dies between its steps leaves what another goes on with.
func TestGoesOnAfterACrash(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		session, request := begun(t, s, connect.Request{})
		stored, err := s.Store.FindSession(t.Context(), "p", connect.ByState, connect.Hash(request.Get("state")))
		require.NoError(t, err)
		stored.State, stored.Secrets.Code = connect.Redeeming, seal.NewSecret("the code")
		stored.ExpireTime, stored.DueTime = time.Now().Add(time.Minute).UTC(), time.Now().UTC()
		require.NoError(t, s.Store.UpdateSession(t.Context(), stored)) // and no further
		run(t, s)
		synctest.Wait()
		good.report(s)
		after(time.Minute)
		requireState(t, s, session.Name, connect.Completed)
		for _, call := range s.Tokens.Calls() { // it may be told again, of the same
			require.EqualValues(t, 1, call.Revision)
		}
	})
}

func TestFirstFailureLeavesNoGrant(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		session, request := begun(t, s, connect.Request{})
		done := finish(t, s, request, "c")
		synctest.Wait()
		dead.report(s)
		view := <-done
		require.Equal(t, connect.NotWorked, view.Kind)
		require.Equal(t, connection.Reason("GRANT_DEAD"), view.Reason)
		require.Equal(t, "said", requireState(t, s, session.Name, connect.Failed).Message)
		synctest.Wait()
		_, err := s.Service.GetGrant(t.Context(), ada())
		require.ErrorIs(t, err, connection.ErrGrantNotFound)
	})
}

// The former credential comes back when the new one is worth nothing, also when that is known only from the failed attempt, and when nobody
// ever says so.
func TestFormerCredentialComesBack(t *testing.T) {
	for name, end := range map[string]func(s *connectiontest.Suite){
		"refused":              dead.report,
		"refused while in use": func(s *connectiontest.Suite) { s.Tokens.ReportWanted(ada().Token(), 1, dead.reason, "said") },
		"never":                func(*connectiontest.Suite) {},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
				run(t, s)
				_, err := s.Service.CreateGrant(t.Context(), connection.GrantDraft{
					Name: ada(), Credential: connection.GrantCredential{RefreshToken: seal.NewSecret("former")},
				}, false)
				require.NoError(t, err)
				good.report(s)
				synctest.Wait()
				session, request := begun(t, s, connect.Request{})
				done := finish(t, s, request, "c")
				synctest.Wait()
				_, settings, err := s.Service.GrantSettings(t.Context(), ada())
				require.NoError(t, err)
				require.Equal(t, "c", settings.OAuth2.Code.Code.Reveal())
				end(s)
				<-done
				after(11 * time.Minute)
				requireState(t, s, session.Name, connect.Failed)
				g, settings, err := s.Service.GrantSettings(t.Context(), ada())
				require.NoError(t, err)
				require.Equal(t, "former", settings.OAuth2.RefreshToken.Reveal())
				require.EqualValues(t, 3, g.Revision)
			})
		})
	}
}

func TestGrantIsDeletedMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		session, request := begun(t, s, connect.Request{})
		done := finish(t, s, request, "c")
		synctest.Wait()
		_, err := s.Service.DeleteGrant(t.Context(), ada(), "", false)
		require.NoError(t, err)
		require.Equal(t, connect.NotWorked, (<-done).Kind)
		require.Equal(t, connect.ReasonGrantNotFound, requireState(t, s, session.Name, connect.Failed).Reason)
	})
}

func TestConnectionIsDeletedMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		_, request := begun(t, s, connect.Request{})
		_, link, err := s.Connect.Start(t.Context(), drive(), "bob", connect.Request{})
		require.NoError(t, err)
		_, err = s.Service.Delete(t.Context(), drive(), "")
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, connect.Unknown, (<-finish(t, s, request, "c")).Kind)
		view, err := s.Connect.Begin(t.Context(), secretOf(t, link), browser)
		require.NoError(t, err)
		require.Equal(t, connect.Unknown, view.Kind)
	})
}

// Where a user may be sent is judged again at the end.
func TestReturnURLIsTakenAway(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		_, request := begun(t, s, connect.Request{ReturnURL: "https://app.example/done"})
		_, err := s.Service.Update(t.Context(), drive(), connection.Update{Edit: func(c connection.Connection) (connection.Connection, error) {
			c.Settings.Connect.ReturnURLs = nil
			return c, nil
		}})
		require.NoError(t, err)
		view, err := s.Connect.Finish(t.Context(), url.Values{"state": {request.Get("state")}, "error": {"access_denied"}}, browser)
		require.NoError(t, err)
		require.Equal(t, connect.NotAgreed, view.Kind)
	})
}

// The provider's own ways: names of parameters, what is always asked for, no challenge where it is refused, a fragment.
func TestProvidersWays(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		settings := users()
		settings.OAuth2 = connection.OAuth2{
			Preset: connection.ProviderRef{ID: "quickbooks"}, GrantType: connection.CodeGrant, ClientID: "id", ClientSecret: seal.NewSecret("s"),
			Authorize: connection.Authorize{PKCE: connection.PKCERefused, Parameters: map[string]string{"prompt": "select"}},
		}
		name := connection.Name{Project: "p", ID: "books"}
		_, err := s.Service.Create(t.Context(), connection.Draft{Name: name, Settings: settings}, false)
		require.NoError(t, err)
		_, link, err := s.Connect.Start(t.Context(), name, "ada", connect.Request{Parameters: map[string]string{"prompt": "login"}})
		require.NoError(t, err)
		view, err := s.Connect.Show(t.Context(), secretOf(t, link))
		require.NoError(t, err)
		require.Equal(t, "QuickBooks Online", view.ProviderName)
		require.Equal(t, "p", view.ApplicationName)
		view, err = s.Connect.Begin(t.Context(), secretOf(t, link), browser)
		require.NoError(t, err)
		target, err := url.Parse(view.URL)
		require.NoError(t, err)
		require.Equal(t, "appcenter.intuit.com", target.Host)
		require.Empty(t, target.Query().Get("code_challenge"))
		require.Equal(t, "login", target.Query().Get("prompt"))

		go func() {
			s.Tokens.Await(t, connection.GrantName{Connection: name, ID: "ada"}.Token(), 1)
			s.Tokens.Report(connection.GrantName{Connection: name, ID: "ada"}.Token(), tokenv1.Token_AUTHORIZED, 0, "")
		}()
		view, err = s.Connect.Finish(t.Context(), url.Values{
			"state": {target.Query().Get("state")}, "code": {"c"}, "realmId": {"4620816365"},
		}, browser)
		require.NoError(t, err)
		require.Equal(t, connect.Connected, view.Kind)
		grant := connection.GrantName{Connection: name, ID: "ada"}
		g, err := s.Service.GetGrant(t.Context(), grant)
		require.NoError(t, err)
		require.Equal(t, "4620816365", g.Account["realm_id"])
		api, err := s.Service.GrantAPI(t.Context(), grant)
		require.NoError(t, err)
		require.Equal(t, "https://quickbooks.api.intuit.com/v3/company/4620816365", api.BaseURL)
		_, err = s.Service.API(t.Context(), name)
		require.ErrorIs(t, err, connection.ErrNoAPI)
	})
}
