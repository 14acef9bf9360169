package commands

import (
	"context"
	"fmt"
	"time"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
)

type connectCmd struct {
	clientFlags
	Connection string            `arg:"" help:"Id of the connection of users, or its name projects/…/connections/…"`
	Grant      string            `help:"Id of the grant; that of an existing one authorizes it anew. Default: one is made up." placeholder:"ID"`
	EndUser    string            `help:"Who authorizes, as your application names its users." placeholder:"ID"`
	Metadata   map[string]string `help:"What you want to find again." placeholder:"KEY=VALUE"`
	ReturnURL  string            `name:"return-url" help:"Where the browser is sent in the end, one that the connection allows." placeholder:"URL"`
	Scope      []string          `help:"Scopes to ask for instead of the connection's." placeholder:"SCOPE"`
	Parameter  map[string]string `help:"Further parameters of the authorization request, such as login_hint." placeholder:"NAME=VALUE"`
	Locale     string            `help:"Language that the user reads, such as de." placeholder:"TAG"`
	SkipPage   bool              `help:"The link leads to the provider at once."`
	NoWait     bool              `help:"Print the link, and do not wait for the outcome."`
}

// Run prints a link for an end user's browser and waits until the account is connected.
func (c *connectCmd) Run(ctx context.Context, s *session) error {
	cl, err := c.connect(s, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.connects.StartAuthorization(ctx, &connectionv1.StartAuthorizationRequest{
		Parent: c.name("connections", c.Connection), GrantId: c.Grant, EndUserId: c.EndUser, Metadata: c.Metadata, ReturnUrl: c.ReturnURL,
		Scopes: c.Scope, AuthorizationParameters: c.Parameter, Locale: c.Locale, SkipPage: c.SkipPage,
	})
	if err != nil {
		return err
	}
	started := answer.GetAuthorizationSession()
	if c.NoWait {
		if c.Output == "json" {
			return printJSON(s.stdout, started)
		}
		_, err := fmt.Fprintln(s.stdout, started.GetConnectUrl())
		return err
	}
	if _, err := fmt.Fprintf(s.stderr, "Open this in the end user's browser, within %s:\n%s\n",
		started.GetExpireTime().AsTime().Sub(started.GetCreateTime().AsTime()), started.GetConnectUrl()); err != nil {
		return err
	}
	ended, err := awaitSession(ctx, cl, started.GetName())
	if err != nil {
		return err
	}
	return c.show(s, ended)
}

// awaitSession looks after a session each second until it has ended.
func awaitSession(ctx context.Context, cl *client, name string) (*connectionv1.AuthorizationSession, error) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		answer, err := cl.connects.GetAuthorizationSession(ctx, &connectionv1.GetAuthorizationSessionRequest{Name: name})
		if err != nil || answer.GetAuthorizationSession().GetState() != connectionv1.AuthorizationSession_WAITING {
			return answer.GetAuthorizationSession(), err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ticker.C:
		}
	}
}

// show prints how it went; that the account is not connected is an error.
func (c *connectCmd) show(s *session, ended *connectionv1.AuthorizationSession) error {
	if c.Output == "json" {
		if err := printJSON(s.stdout, ended); err != nil {
			return err
		}
	} else {
		t := newTable(s.stdout)
		t.property("Grant", ended.GetGrant())
		t.property("End user", ended.GetEndUserId())
		t.property("State", ended.GetState().String())
		t.property("Reason", reasonText(ended.GetStateReason()))
		t.property("Message", ended.GetStateMessage())
		if err := t.flush(); err != nil {
			return err
		}
	}
	if ended.GetState() != connectionv1.AuthorizationSession_COMPLETED {
		return fmt.Errorf("the account is not connected: %s", ended.GetState())
	}
	return nil
}
