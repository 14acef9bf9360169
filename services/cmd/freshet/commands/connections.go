package commands

import (
	"context"
	"fmt"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
)

type connectionsCmd struct {
	clientFlags
	List        connectionsListCmd        `cmd:"" help:"List connections and their states."`
	Get         connectionsGetCmd         `cmd:"" help:"Show one connection."`
	Test        connectionsTestCmd        `cmd:"" help:"Try the next token request step by step, and say what works and what does not."`
	Probe       connectionsProbeCmd       `cmd:"" help:"Learn how an authorization server behaves, on a grant that is used up by it, and print a catalogue entry."`
	Authorize   connectionsAuthorizeCmd   `cmd:"" help:"Obtain a token anew: the way back from DEAUTHORIZED."`
	Deauthorize connectionsDeauthorizeCmd `cmd:"" help:"Withdraw the credential; settings and secrets stay."`
	Delete      connectionsDeleteCmd      `cmd:"" help:"Delete a connection with its secrets and its token."`
}

// connectionArg names a connection.
type connectionArg struct {
	Connection string `arg:"" help:"Id of the connection, or its name projects/…/connections/…"`
}

type connectionsListCmd struct {
	State string `help:"Only connections in this state, AUTHORIZED for instance." placeholder:"STATE"`
}

// Run lists all connections.
func (c *connectionsListCmd) Run(ctx context.Context, s *session, f *connectionsCmd) error {
	state, err := enumValue("--state", c.State, connectionv1.Connection_State_value)
	if err != nil {
		return err
	}
	cl, err := f.connect(s, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	request := &connectionv1.ListConnectionsRequest{Parent: f.parent(), State: connectionv1.Connection_State(state), PageSize: 250}
	connections := []*connectionv1.Connection{}
	for {
		page, err := cl.connections.ListConnections(ctx, request)
		if err != nil {
			return err
		}
		connections = append(connections, page.GetConnections()...)
		if request.PageToken = page.GetNextPageToken(); request.GetPageToken() == "" {
			break
		}
	}
	if f.Output == "json" {
		return printJSONList(s.stdout, "connections", connections)
	}
	t := newTable(s.stdout, "CONNECTION", "KIND", "STATE", "SINCE", "REASON")
	for _, connection := range connections {
		t.row(last(connection.GetName()), authorizationKind(connection), connection.GetState().String(),
			relative(connection.GetStateTime(), s.now()), reasonText(connection.GetStateReason()))
	}
	return t.flush()
}

type connectionsGetCmd struct {
	connectionArg
}

// Run shows one connection.
func (c *connectionsGetCmd) Run(ctx context.Context, s *session, f *connectionsCmd) error {
	cl, err := f.connect(s, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.connections.GetConnection(ctx, &connectionv1.GetConnectionRequest{Name: f.name("connections", c.Connection)})
	if err != nil {
		return err
	}
	return f.show(s, answer.GetConnection())
}

type connectionsAuthorizeCmd struct {
	connectionArg
}

// Run authorizes a connection anew.
func (c *connectionsAuthorizeCmd) Run(ctx context.Context, s *session, f *connectionsCmd) error {
	cl, err := f.connect(s, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.connections.AuthorizeConnection(ctx, &connectionv1.AuthorizeConnectionRequest{Name: f.name("connections", c.Connection)})
	if err != nil {
		return err
	}
	return f.show(s, answer.GetConnection())
}

type connectionsDeauthorizeCmd struct {
	connectionArg
}

// Run withdraws a connection's credential.
func (c *connectionsDeauthorizeCmd) Run(ctx context.Context, s *session, f *connectionsCmd) error {
	cl, err := f.connect(s, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.connections.DeauthorizeConnection(ctx, &connectionv1.DeauthorizeConnectionRequest{Name: f.name("connections", c.Connection)})
	if err != nil {
		return err
	}
	return f.show(s, answer.GetConnection())
}

type connectionsDeleteCmd struct {
	connectionArg
	Etag string `help:"Delete it only if its etag is still this one." placeholder:"ETAG"`
}

// Run deletes a connection.
func (c *connectionsDeleteCmd) Run(ctx context.Context, s *session, f *connectionsCmd) error {
	cl, err := f.connect(s, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.connections.DeleteConnection(ctx, &connectionv1.DeleteConnectionRequest{Name: f.name("connections", c.Connection), Etag: c.Etag})
	if err != nil {
		return err
	}
	return f.show(s, answer.GetConnection())
}

type connectionsTestCmd struct {
	connectionArg
}

// Run tests a connection; a step that fails fails the command.
func (c *connectionsTestCmd) Run(ctx context.Context, s *session, f *connectionsCmd) error {
	cl, err := f.connect(s, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.connections.TestConnection(ctx, &connectionv1.TestConnectionRequest{Name: f.name("connections", c.Connection)})
	if err != nil {
		return err
	}
	if err := printTest(s, f.Output, answer); err != nil {
		return err
	}
	if !answer.GetOk() {
		return errReported
	}
	return nil
}

func printTest(s *session, output string, answer *connectionv1.TestConnectionResponse) error {
	if output == "json" {
		return printJSON(s.stdout, answer)
	}
	t := newTable(s.stdout)
	for _, step := range answer.GetSteps() {
		mark, took := "-", ""
		switch step.GetOutcome() {
		case connectionv1.TestStep_OK:
			mark = "✓"
		case connectionv1.TestStep_FAILED:
			mark = "✗"
		case connectionv1.TestStep_SKIPPED, connectionv1.TestStep_OUTCOME_UNSPECIFIED:
		}
		if step.GetDuration() != nil {
			took = span(step.GetDuration().AsDuration())
		}
		message := step.GetMessage()
		if reason := reasonText(step.GetReason()); reason != "" {
			message = reason + ": " + message
		}
		t.row(mark, step.GetKind().String(), took, message)
	}
	if err := t.flush(); err != nil {
		return err
	}
	verdict := "The connection works."
	if !answer.GetOk() {
		verdict = "The connection does not work."
	}
	_, err := fmt.Fprintln(s.stdout, verdict)
	return err
}
