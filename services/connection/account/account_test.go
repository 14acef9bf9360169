package account_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/account"
	"github.com/freshet-io/freshet/services/connection/connect"
	"github.com/freshet-io/freshet/services/connection/connectiontest"
	"github.com/freshet-io/freshet/services/internal/authn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const canary = "canary-3f9a"

// tokens has the token of ada.
type tokens struct {
	tokenv1.UnimplementedTokenServiceServer
}

// GetToken implements tokenv1.TokenServiceServer.
func (tokens) GetToken(_ context.Context, in *tokenv1.GetTokenRequest) (*tokenv1.GetTokenResponse, error) {
	if in.GetName() != "projects/p/connections/drive/grants/ada/token" {
		return nil, status.Error(codes.NotFound, "no such token")
	}
	return &tokenv1.GetTokenResponse{Token: &tokenv1.Token{Credential: &tokenv1.HttpCredential{
		Headers: []*tokenv1.HttpCredentialField{{Key: "Authorization", Value: "Bearer " + canary}},
		Query:   []*tokenv1.HttpCredentialField{{Key: "key", Value: canary + "+&"}},
	}}}, nil
}

func TestAsk(t *testing.T) {
	var code int
	var body string
	var seen *http.Request
	api := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(api.Close)
	conn := connectiontest.Serve(t, func(r grpc.ServiceRegistrar) { tokenv1.RegisterTokenServiceServer(r, tokens{}) }).As(t, authn.ServiceConnection)
	asker := account.New(conn, api.Client())
	ada := connection.GrantName{Connection: connection.Name{Project: "p", ID: "drive"}, ID: "ada"}
	step := connect.Step{URL: api.URL + "/sites?page=1", Capture: []connect.Capture{{Name: "site", From: "0.id"}, {Name: "number", From: "0.more.n"}}}

	code, body = http.StatusOK, `[{"id":"s-1","more":{"n":12345678901234567890}}]`
	values, err := asker.Ask(t.Context(), ada, step)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"site": "s-1", "number": "12345678901234567890"}, values)
	require.Equal(t, "Bearer "+canary, seen.Header.Get("Authorization"))
	require.Equal(t, canary+"+&", seen.URL.Query().Get("key"))
	require.Equal(t, "1", seen.URL.Query().Get("page"))

	for _, bad := range []struct {
		code int
		body string
	}{
		{http.StatusForbidden, body},
		{http.StatusOK, `[]`},
		{http.StatusOK, `[{"id":"","more":{"n":1}}]`},
		{http.StatusOK, `[{"id":["s"],"more":{"n":1}}]`},
		{http.StatusOK, `{"0":{"id":"s","more":"n"}}`},
		{http.StatusOK, `<html>`},
	} {
		code, body = bad.code, bad.body
		_, err := asker.Ask(t.Context(), ada, step)
		require.ErrorContains(t, err, "account:", bad.body)
		require.NotContains(t, err.Error(), canary)
	}
	ada.ID = "bob"
	_, err = asker.Ask(t.Context(), ada, step)
	require.ErrorContains(t, err, "grants/bob")
	api.Close()
	ada.ID = "ada"
	_, err = asker.Ask(t.Context(), ada, step)
	require.Error(t, err)
	require.NotContains(t, err.Error(), canary)
}
