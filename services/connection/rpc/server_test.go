package rpc_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/connection/connectiontest"
	"github.com/freshet-io/freshet/services/connection/rpc"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/page"
)

func TestCreateAndGet(t *testing.T) {
	f := newFixture(t)
	for id, sent := range kinds(t) {
		created := f.create(t, id, sent)
		require.Equal(t, parent+"/connections/"+id, created.GetName())
		require.Len(t, created.GetUid(), 26)
		require.NotEmpty(t, created.GetEtag())
		require.Equal(t, connectionv1.Connection_CREATING, created.GetState())
		require.Equal(t, errorsv1.Reason_TOKEN_NOT_READY, created.GetStateReason())
		require.NotNil(t, created.GetCreateTime())
		require.Nil(t, created.GetAuthorizeTime())
		read := f.get(t, created.GetName())
		require.Equal(t, connectionv1.Connection_AUTHORIZING, read.GetState(), "the token service knows, so the token can be watched")
		read.State, read.StateTime = created.GetState(), created.GetStateTime()
		require.True(t, proto.Equal(created, read))

		// What is not secret comes back as it was sent; the token service gets all.
		settings := f.settings(t, created.GetName())
		require.Equal(t, created.GetUid(), settings.GetUid())
		require.Equal(t, int64(1), settings.GetRevision())
		require.True(t, proto.Equal(sent.GetOauth2(), settings.GetOauth2()))
		require.True(t, proto.Equal(sent.GetApiKey(), settings.GetApiKey()))
		require.True(t, proto.Equal(sent.GetBasic(), settings.GetBasic()))
		require.True(t, proto.Equal(sent.GetOauth1(), settings.GetOauth1()))
		require.True(t, proto.Equal(sent.GetInvocationParameters(), settings.GetInvocationParameters()))
	}
	read := f.get(t, crm)
	require.Equal(t, []string{"a", "b"}, read.GetOauth2().GetScopes())
	body := read.GetOauth2().GetTokenParameters().GetBody()
	require.Equal(t, "open", body[0].GetValue())
	require.True(t, body[1].GetSecret())
}

// TestSecretsAreWriteOnly looks for secrets in the answer of every method that returns a connection.
func TestSecretsAreWriteOnly(t *testing.T) {
	f := newFixture(t)
	var answers []proto.Message
	keep := func(m proto.Message, err error) {
		t.Helper()
		require.NoError(t, err)
		answers = append(answers, m)
	}
	ctx := t.Context()
	keep(f.api.CreateConnection(ctx, &connectionv1.CreateConnectionRequest{Parent: parent, ConnectionId: "crm", Connection: oauth2(), ValidateOnly: true}))
	for id, c := range kinds(t) {
		keep(f.api.CreateConnection(ctx, &connectionv1.CreateConnectionRequest{Parent: parent, ConnectionId: id, Connection: c}))
		name := parent + "/connections/" + id
		keep(f.api.GetConnection(ctx, &connectionv1.GetConnectionRequest{Name: name}))
		c.Name = name
		c.Description = "changed"
		keep(f.api.UpdateConnection(ctx, &connectionv1.UpdateConnectionRequest{Connection: c, ValidateOnly: true}))
		keep(f.api.UpdateConnection(ctx, &connectionv1.UpdateConnectionRequest{Connection: c}))
		keep(f.api.AuthorizeConnection(ctx, &connectionv1.AuthorizeConnectionRequest{Name: name}))
		keep(f.api.DeauthorizeConnection(ctx, &connectionv1.DeauthorizeConnectionRequest{Name: name}))
		keep(f.api.TestConnection(ctx, &connectionv1.TestConnectionRequest{Name: name}))
	}
	keep(f.api.ListConnections(ctx, &connectionv1.ListConnectionsRequest{Parent: parent}))
	keep(f.api.DeleteConnection(ctx, &connectionv1.DeleteConnectionRequest{Name: crm}))
	for _, m := range answers {
		require.NotContains(t, protojson.Format(m), canary)
	}
	f.create(t, "last", oauth2())
	require.Contains(t, protojson.Format(f.settings(t, parent+"/connections/last")), canary, "the search finds nothing at all")
}

func TestCreateErrors(t *testing.T) {
	f := newFixture(t)
	f.create(t, "crm", oauth2())
	try := func(id string, c *connectionv1.Connection) error {
		_, err := f.api.CreateConnection(t.Context(), &connectionv1.CreateConnectionRequest{Parent: parent, ConnectionId: id, Connection: c})
		return err
	}
	requireError(t, try("crm", basic()), codes.AlreadyExists, errorsv1.Reason_RESOURCE_EXISTS)

	noSecret := oauth2()
	noSecret.GetOauth2().ClientSecret = ""
	requireField(t, try("a", noSecret), errorsv1.Reason_INVALID_FIELD, "connection.oauth2.client_secret", "required")

	protocol := oauth2()
	protocol.GetOauth2().GetTokenParameters().GetBody()[0].Key = "grant_type"
	requireField(t, try("a", protocol), errorsv1.Reason_INVALID_FIELD, "connection.oauth2.token_parameters.body[0].key", "protocol")

	requireField(t, try("a", &connectionv1.Connection{}), errorsv1.Reason_INVALID_FIELD, "connection.authorization", "required")
	requireField(t, try("-", basic()), errorsv1.Reason_INVALID_FIELD, "connection_id", "")

	for _, endpoint := range []string{"http://as.example/token", "https://127.0.0.1/token", "https://user:pass@as.example/", "token"} {
		denied := oauth2()
		denied.GetOauth2().TokenEndpoint = endpoint
		requireField(t, try("a", denied), errorsv1.Reason_EGRESS_DENIED, "connection.oauth2.token_endpoint", "")
	}

	require.NoError(t, f.delete(t.Context(), crm))
	requireError(t, try("crm", basic()), codes.FailedPrecondition, errorsv1.Reason_STATE_CONFLICT)
}

func TestMissingConnection(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	for method, call := range map[string]func() error{
		"Get": func() error {
			_, err := f.api.GetConnection(ctx, &connectionv1.GetConnectionRequest{Name: gone})
			return err
		},
		"Delete": func() error { return f.delete(ctx, gone) },
		"Update": func() error {
			_, err := f.api.UpdateConnection(ctx, &connectionv1.UpdateConnectionRequest{Connection: &connectionv1.Connection{Name: gone, Description: "x"}})
			return err
		},
		"Authorize": func() error {
			_, err := f.api.AuthorizeConnection(ctx, &connectionv1.AuthorizeConnectionRequest{Name: gone})
			return err
		},
		"Deauthorize": func() error {
			_, err := f.api.DeauthorizeConnection(ctx, &connectionv1.DeauthorizeConnectionRequest{Name: gone})
			return err
		},
		"Test": func() error {
			_, err := f.api.TestConnection(ctx, &connectionv1.TestConnectionRequest{Name: gone})
			return err
		},
		"Settings": func() error {
			_, err := f.internal.GetAuthorizationSettings(ctx, &connectionv1.GetAuthorizationSettingsRequest{Name: gone})
			return err
		},
	} {
		t.Run(method, func(t *testing.T) {
			err := call()
			requireError(t, err, codes.NotFound, errorsv1.Reason_CONNECTION_NOT_FOUND)
			require.ErrorContains(t, err, gone)
		})
	}
}

func TestConnectionBeingDeleted(t *testing.T) {
	f := newFixture(t) // whose loops do not run: it stays DELETING
	ctx := t.Context()
	f.create(t, "crm", oauth2())
	require.NoError(t, f.delete(ctx, crm))
	require.NoError(t, f.delete(ctx, crm))
	require.Equal(t, connectionv1.Connection_DELETING, f.get(t, crm).GetState())

	_, err := f.api.AuthorizeConnection(ctx, &connectionv1.AuthorizeConnectionRequest{Name: crm})
	requireError(t, err, codes.FailedPrecondition, errorsv1.Reason_STATE_CONFLICT)
	_, err = f.api.DeauthorizeConnection(ctx, &connectionv1.DeauthorizeConnectionRequest{Name: crm})
	requireError(t, err, codes.FailedPrecondition, errorsv1.Reason_STATE_CONFLICT)
	_, err = f.api.UpdateConnection(ctx, &connectionv1.UpdateConnectionRequest{Connection: &connectionv1.Connection{Name: crm, Description: "x"}})
	requireError(t, err, codes.FailedPrecondition, errorsv1.Reason_STATE_CONFLICT)
	_, err = f.internal.GetAuthorizationSettings(ctx, &connectionv1.GetAuthorizationSettingsRequest{Name: crm})
	requireError(t, err, codes.NotFound, errorsv1.Reason_CONNECTION_NOT_FOUND)
}

func TestETag(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	first := f.create(t, "crm", oauth2())
	write := func(etag string) error {
		_, err := f.api.UpdateConnection(ctx, &connectionv1.UpdateConnectionRequest{
			Connection: &connectionv1.Connection{Name: crm, Description: "by " + etag, Etag: etag},
		})
		return err
	}
	require.NoError(t, write(first.GetEtag()))
	requireError(t, write(first.GetEtag()), codes.Aborted, errorsv1.Reason_ETAG_MISMATCH)
	_, err := f.api.DeleteConnection(ctx, &connectionv1.DeleteConnectionRequest{Name: crm, Etag: first.GetEtag()})
	requireError(t, err, codes.Aborted, errorsv1.Reason_ETAG_MISMATCH)

	// States come and go without changing it.
	second := f.get(t, crm).GetEtag()
	_, err = f.api.AuthorizeConnection(ctx, &connectionv1.AuthorizeConnectionRequest{Name: crm})
	require.NoError(t, err)
	require.Equal(t, second, f.get(t, crm).GetEtag())
	_, err = f.api.DeleteConnection(ctx, &connectionv1.DeleteConnectionRequest{Name: crm, Etag: second})
	require.NoError(t, err)
}

func TestList(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	for i := range 7 {
		f.create(t, fmt.Sprintf("c%d", i), apiKey())
	}
	require.NoError(t, f.delete(ctx, parent+"/connections/c3"))
	list := func(req *connectionv1.ListConnectionsRequest) (ids []string, next string) {
		t.Helper()
		r, err := f.api.ListConnections(ctx, req)
		require.NoError(t, err)
		for _, c := range r.GetConnections() {
			ids = append(ids, c.GetName()[len(parent+"/connections/"):])
		}
		return ids, r.GetNextPageToken()
	}
	ids, next := list(&connectionv1.ListConnectionsRequest{Parent: parent})
	require.Equal(t, []string{"c0", "c1", "c2", "c3", "c4", "c5", "c6"}, ids)
	require.Empty(t, next)

	page1, next := list(&connectionv1.ListConnectionsRequest{Parent: parent, PageSize: 4})
	page2, end := list(&connectionv1.ListConnectionsRequest{Parent: parent, PageSize: 4, PageToken: next})
	require.Equal(t, ids, append(page1, page2...))
	require.Empty(t, end)
	_, next = list(&connectionv1.ListConnectionsRequest{Parent: parent, PageSize: 7})
	require.Empty(t, next, "the last page is full")

	deleting, _ := list(&connectionv1.ListConnectionsRequest{Parent: parent, State: connectionv1.Connection_DELETING})
	require.Equal(t, []string{"c3"}, deleting)
	authorizing, next := list(&connectionv1.ListConnectionsRequest{Parent: parent, State: connectionv1.Connection_AUTHORIZING, PageSize: 3})
	require.Equal(t, []string{"c0", "c1", "c2"}, authorizing)
	authorizing, _ = list(&connectionv1.ListConnectionsRequest{Parent: parent, State: connectionv1.Connection_AUTHORIZING, PageSize: 3, PageToken: next})
	require.Equal(t, []string{"c4", "c5", "c6"}, authorizing)

	for _, wrong := range []*connectionv1.ListConnectionsRequest{
		{Parent: parent, PageToken: next},
		{Parent: "projects/q", PageToken: next, State: connectionv1.Connection_AUTHORIZING},
		{Parent: parent, PageToken: "bogus"},
	} {
		_, err := f.api.ListConnections(ctx, wrong)
		requireField(t, err, errorsv1.Reason_INVALID_PAGE_TOKEN, "page_token", "next_page_token")
	}
	none, _ := list(&connectionv1.ListConnectionsRequest{Parent: "projects/q"})
	require.Empty(t, none)
}

func TestSecretsUnreadable(t *testing.T) {
	f := newFixture(t)
	f.create(t, "crm", oauth2())
	f.Sealer = connectiontest.NewSealer(t)
	f.Service = f.Replica(t, f.DB)
	f = serve(t, f.Suite)
	ctx := t.Context()
	_, err := f.internal.GetAuthorizationSettings(ctx, &connectionv1.GetAuthorizationSettingsRequest{Name: crm})
	requireError(t, err, codes.FailedPrecondition, errorsv1.Reason_SECRET_UNREADABLE)
	_, err = f.api.TestConnection(ctx, &connectionv1.TestConnectionRequest{Name: crm})
	requireError(t, err, codes.FailedPrecondition, errorsv1.Reason_SECRET_UNREADABLE)
	_, err = f.api.UpdateConnection(ctx, &connectionv1.UpdateConnectionRequest{Connection: &connectionv1.Connection{
		Name: crm, InvocationParameters: &connectionv1.HttpParameters{Query: []*connectionv1.HttpParameter{{Key: "a", Value: "b"}}},
	}})
	requireError(t, err, codes.FailedPrecondition, errorsv1.Reason_SECRET_UNREADABLE)
	require.Equal(t, "CRM", f.get(t, crm).GetDescription())
}

func TestStoreUnavailable(t *testing.T) {
	f := newFixture(t)
	require.NoError(t, f.DB.Close())
	_, err := f.api.GetConnection(t.Context(), &connectionv1.GetConnectionRequest{Name: crm})
	requireError(t, err, codes.Unavailable, errorsv1.Reason_STORE_UNAVAILABLE)
	_, err = f.api.CreateConnection(t.Context(), &connectionv1.CreateConnectionRequest{Parent: parent, ConnectionId: "a", Connection: basic()})
	requireError(t, err, codes.Unavailable, errorsv1.Reason_STORE_UNAVAILABLE)
}

// TestOnlyTheTokenServiceGetsSecrets guards the one method that returns them.
func TestOnlyTheTokenServiceGetsSecrets(t *testing.T) {
	f := newFixture(t)
	f.create(t, "crm", oauth2())
	server := connectiontest.Serve(t, func(r grpc.ServiceRegistrar) {
		rpc.Register(r, f.Service, rpc.Options{Pages: page.NewCodec(make([]byte, 32)), Catalog: f.Catalog})
	})
	for _, conn := range []*grpc.ClientConn{
		server.AsAdmin(t), server.As(t, authn.ServiceDelivery), server.As(t, authn.ServiceGateway),
	} {
		_, err := connectionv1.NewConnectionInternalServiceClient(conn).GetAuthorizationSettings(t.Context(),
			&connectionv1.GetAuthorizationSettingsRequest{Name: crm})
		requireError(t, err, codes.PermissionDenied, errorsv1.Reason_PERMISSION_DENIED)
	}
}

func TestAuthorizeAndDeauthorize(t *testing.T) {
	f := newFixture(t)
	connectiontest.Start(t, f.Service)
	f.create(t, "crm", oauth2())
	token := crm + "/token"
	f.Tokens.Await(t, token, 1)
	f.Tokens.Report(token, tokenv1.Token_AUTHORIZED, 0, "")
	f.Bus.Await(t, crm, "Connection Authorized")
	c := f.get(t, crm)
	require.Equal(t, connectionv1.Connection_AUTHORIZED, c.GetState())
	require.Equal(t, errorsv1.Reason_REASON_UNSPECIFIED, c.GetStateReason())
	require.NotNil(t, c.GetAuthorizeTime())

	d, err := f.api.DeauthorizeConnection(t.Context(), &connectionv1.DeauthorizeConnectionRequest{Name: crm})
	require.NoError(t, err)
	require.Equal(t, connectionv1.Connection_DEAUTHORIZING, d.GetConnection().GetState())
	f.Bus.Await(t, crm, "Connection Deauthorized")
	c = f.get(t, crm)
	require.Equal(t, connectionv1.Connection_DEAUTHORIZED, c.GetState())
	require.Equal(t, errorsv1.Reason_DEAUTHORIZED, c.GetStateReason())
	require.NotEmpty(t, c.GetStateMessage())
	d, err = f.api.DeauthorizeConnection(t.Context(), &connectionv1.DeauthorizeConnectionRequest{Name: crm})
	require.NoError(t, err)
	require.True(t, proto.Equal(c, d.GetConnection()), "it was deauthorized already")

	a, err := f.api.AuthorizeConnection(t.Context(), &connectionv1.AuthorizeConnectionRequest{Name: crm})
	require.NoError(t, err)
	require.Equal(t, connectionv1.Connection_AUTHORIZING, a.GetConnection().GetState())
	f.Tokens.Await(t, token, 3)
	f.Bus.Await(t, crm, "Connection Authorization Started")
	f.Tokens.Report(token, tokenv1.Token_DEAUTHORIZED, errorsv1.Reason_CLIENT_BROKEN, "invalid_client")
	f.Bus.Await(t, crm, "Connection Deauthorized")
	c = f.get(t, crm)
	require.Equal(t, errorsv1.Reason_CLIENT_BROKEN, c.GetStateReason())
	require.Equal(t, "invalid_client", c.GetStateMessage())
}
