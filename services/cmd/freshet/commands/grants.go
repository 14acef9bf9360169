package commands

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
)

type grantsCmd struct {
	clientFlags
	List   grantsListCmd   `cmd:"" help:"List end users' grants and their states."`
	Get    grantsGetCmd    `cmd:"" help:"Show one grant."`
	Import grantsImportCmd `cmd:"" help:"Create a grant from tokens that were obtained elsewhere, or give one new tokens."`
	Revoke grantsRevokeCmd `cmd:"" help:"End a grant, or all that flags select, here and at the authorization server; they can be given new tokens."`
	Delete grantsDeleteCmd `cmd:"" help:"Delete a grant, or all that flags select, with their tokens, and revoke those at the authorization server."`
	Export grantsExportCmd `cmd:"" help:"Print what is held about an end user, as JSON without secrets."`
	Erase  grantsEraseCmd  `cmd:"" help:"Erase what is held about an end user."`
	Jobs   grantJobsCmd    `cmd:"" help:"Jobs that end many grants."`
}

// grantArg names a grant.
type grantArg struct {
	Connection string `arg:"" help:"Id of the connection, or its name projects/…/connections/…"`
	Grant      string `arg:"" help:"Id of the grant."`
}

// of is the grant's resource name.
func (a grantArg) of(f *grantsCmd) string {
	return f.name("connections", a.Connection) + "/grants/" + a.Grant
}

type grantsListCmd struct {
	Connection string        `arg:"" optional:"" default:"-" help:"Id of the connection. Default: all connections of the project."`
	State      string        `help:"Only grants in this state, AUTHORIZED for instance." placeholder:"STATE"`
	EndUser    string        `help:"Only grants of this end user." placeholder:"ID"`
	Expiring   time.Duration `help:"Only grants that end within this time, 168h for instance, or have ended; the soonest first." placeholder:"TIME"`
}

// Run lists grants.
func (c *grantsListCmd) Run(ctx context.Context, s *session, f *grantsCmd) error {
	state, err := enumValue("--state", c.State, connectionv1.Connection_State_value)
	if err != nil {
		return err
	}
	cl, err := f.connect(s, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	request := &connectionv1.ListGrantsRequest{
		Parent: f.name("connections", c.Connection), State: connectionv1.Connection_State(state), EndUserId: c.EndUser,
	}
	if c.Expiring > 0 {
		request.ExpireBefore = timestamppb.New(s.now().Add(c.Expiring))
	}
	grants, err := pages(0, func(size int32, token string) ([]*connectionv1.Grant, string, error) {
		request.PageSize, request.PageToken = size, token
		page, err := cl.grants.ListGrants(ctx, request)
		return page.GetGrants(), page.GetNextPageToken(), err
	})
	if err != nil {
		return err
	}
	if f.Output == "json" {
		return printJSONList(s.stdout, "grants", grants)
	}
	t := newTable(s.stdout, "CONNECTION", "GRANT", "END USER", "STATE", "SINCE", "REASON", "RECONNECT BY")
	for _, g := range grants {
		connection, _, _ := strings.Cut(g.GetName(), "/grants/")
		t.row(last(connection), last(g.GetName()), g.GetEndUserId(), g.GetState().String(), relative(g.GetStateTime(), s.now()),
			reasonText(g.GetStateReason()), relative(g.GetGrantExpireTime(), s.now()))
	}
	return t.flush()
}

type grantsGetCmd struct{ grantArg }

// Run shows a grant.
func (c *grantsGetCmd) Run(ctx context.Context, s *session, f *grantsCmd) error {
	cl, err := f.connect(s, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.grants.GetGrant(ctx, &connectionv1.GetGrantRequest{Name: c.of(f)})
	if err != nil {
		return err
	}
	return f.show(s, answer.GetGrant())
}

func (f *grantsCmd) show(s *session, g *connectionv1.Grant) error {
	if f.Output == "json" {
		return printJSON(s.stdout, g)
	}
	t := newTable(s.stdout)
	t.property("Name", g.GetName())
	t.property("End user", g.GetEndUserId())
	for _, key := range slices.Sorted(maps.Keys(g.GetMetadata())) {
		t.property("Metadata", key+"="+g.GetMetadata()[key])
	}
	t.property("State", g.GetState().String())
	t.property("Since", relative(g.GetStateTime(), s.now()))
	t.property("Reason", reasonText(g.GetStateReason()))
	t.property("Message", g.GetStateMessage())
	t.property("Created", relative(g.GetCreateTime(), s.now()))
	t.property("Changed", relative(g.GetUpdateTime(), s.now()))
	t.property("Authorized", relative(g.GetAuthorizeTime(), s.now()))
	t.property("Reconnect by", relative(g.GetGrantExpireTime(), s.now()))
	t.property("Etag", g.GetEtag())
	return t.flush()
}

type grantsImportCmd struct {
	grantArg
	EndUser      string            `help:"Who authorized, as your application names its users." placeholder:"ID"`
	Metadata     map[string]string `help:"What you want to find again." placeholder:"KEY=VALUE"`
	RefreshToken string            `help:"The refresh token: @FILE, or - for standard input." placeholder:"@FILE"`
	AccessToken  string            `help:"The access token: @FILE, or - for standard input. Served until it expires." placeholder:"@FILE"`
	Expires      time.Time         `help:"When the access token expires (RFC 3339)." placeholder:"TIME"`
	TokenType    string            `help:"Type of the access token. Default: Bearer." placeholder:"TYPE"`
	Scope        []string          `help:"Scopes of the access token. Default: those of the connection." placeholder:"SCOPE"`
	Replace      bool              `help:"Give an existing grant new tokens instead of creating one."`
}

// Run creates a grant, or gives one new tokens.
func (c *grantsImportCmd) Run(ctx context.Context, s *session, f *grantsCmd) error {
	credential := &connectionv1.GrantCredential{AccessTokenExpireTime: givenTime(c.Expires), TokenType: c.TokenType, Scopes: c.Scope}
	var err error
	if credential.RefreshToken, err = importedSecret(s, "--refresh-token", c.RefreshToken); err != nil {
		return err
	}
	if credential.AccessToken, err = importedSecret(s, "--access-token", c.AccessToken); err != nil {
		return err
	}
	cl, err := f.connect(s, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	grant := &connectionv1.Grant{EndUserId: c.EndUser, Metadata: c.Metadata, Credential: credential}
	if c.Replace {
		grant.Name = c.of(f)
		answer, err := cl.grants.UpdateGrant(ctx, &connectionv1.UpdateGrantRequest{Grant: grant})
		if err != nil {
			return err
		}
		return f.show(s, answer.GetGrant())
	}
	answer, err := cl.grants.CreateGrant(ctx, &connectionv1.CreateGrantRequest{
		Parent: f.name("connections", c.Connection), GrantId: c.Grant, Grant: grant,
	})
	if err != nil {
		return err
	}
	return f.show(s, answer.GetGrant())
}

type grantsRevokeCmd struct {
	Connection string `arg:"" optional:"" help:"Id of the connection, or its name projects/…/connections/…"`
	Grant      string `arg:"" optional:"" help:"Id of the grant. Without one: all grants that the flags select."`
	grantsSelection
}

// Run revokes a grant, or many.
func (c *grantsRevokeCmd) Run(ctx context.Context, s *session, f *grantsCmd) error {
	if c.Grant == "" {
		return c.run(ctx, s, f, c.Connection, &connectionv1.GrantJob{Action: connectionv1.GrantJob_REVOKE})
	}
	if err := c.unused(); err != nil {
		return err
	}
	cl, err := f.connect(s, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	name := grantArg{Connection: c.Connection, Grant: c.Grant}.of(f)
	answer, err := cl.grants.RevokeGrant(ctx, &connectionv1.RevokeGrantRequest{Name: name})
	if err != nil {
		return err
	}
	return f.show(s, answer.GetGrant())
}

type grantsDeleteCmd struct {
	Connection     string `arg:"" optional:"" help:"Id of the connection, or its name projects/…/connections/…"`
	Grant          string `arg:"" optional:"" help:"Id of the grant. Without one: all grants that the flags select."`
	Etag           string `help:"Delete it only if its etag is still this one." placeholder:"ETAG"`
	SkipRevocation bool   `help:"Leave the tokens as they are at the authorization server: they are used elsewhere from now on."`
	grantsSelection
}

// Run deletes a grant, or many.
func (c *grantsDeleteCmd) Run(ctx context.Context, s *session, f *grantsCmd) error {
	if c.Grant == "" && c.Etag != "" {
		return usagef("--etag is for one grant")
	}
	if c.Grant == "" {
		job := &connectionv1.GrantJob{Action: connectionv1.GrantJob_DELETE, SkipRevocation: c.SkipRevocation}
		return c.run(ctx, s, f, c.Connection, job)
	}
	if err := c.unused(); err != nil {
		return err
	}
	cl, err := f.connect(s, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	name := grantArg{Connection: c.Connection, Grant: c.Grant}.of(f)
	_, err = cl.grants.DeleteGrant(ctx, &connectionv1.DeleteGrantRequest{Name: name, Etag: c.Etag, SkipRevocation: c.SkipRevocation})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stdout, "%s is being deleted\n", c.Grant)
	return err
}
