package rpc_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/connection/catalog"
)

// preset names a provider and says no more than it must.
func preset(provider string, parameters map[string]string) *connectionv1.OAuth2Authorization {
	return &connectionv1.OAuth2Authorization{
		GrantType: connectionv1.OAuth2Authorization_REFRESH_TOKEN, ClientId: "id", ClientSecret: canary + "client", RefreshToken: canary + "refresh",
		Provider: provider, ProviderParameters: parameters,
	}
}

func TestAProviderFillsWhatIsUnset(t *testing.T) {
	f := newFixture(t)
	sent := preset("providers/shopify", map[string]string{"shop": "acme-store"})
	sent.Dialect = &connectionv1.TokenEndpointDialect{ScopeSeparator: ";"}
	sent.TokenParameters = &connectionv1.HttpParameters{Body: []*connectionv1.HttpParameter{{Key: "locale", Value: "de"}}}
	sent.RefreshPolicy = &connectionv1.RefreshPolicy{KeepAlive: durationpb.New(24 * time.Hour)}
	created := f.create(t, "crm", ofOAuth2(sent)).GetOauth2()

	// Read back: the connection's own values, and how the client authenticates, which was settled.
	require.Equal(t, "providers/shopify", created.GetProvider())
	require.Equal(t, map[string]string{"shop": "acme-store"}, created.GetProviderParameters())
	require.Empty(t, created.GetTokenEndpoint())
	require.Nil(t, created.GetProviderBehavior())
	require.Equal(t, connectionv1.OAuth2Authorization_CLIENT_SECRET_POST, created.GetClientAuthentication())

	// In force: the provider's, where the connection says nothing.
	settings := f.settings(t, crm).GetOauth2()
	require.Equal(t, "https://acme-store.myshopify.com/admin/oauth/access_token", settings.GetTokenEndpoint())
	require.Equal(t, ";", settings.GetDialect().GetScopeSeparator())
	require.Equal(t, "X-Shopify-Access-Token", settings.GetDialect().GetAccessTokenHeader())
	require.Equal(t, connectionv1.ProviderBehavior_UNTIL_SUCCESSOR_USED, settings.GetProviderBehavior().GetRotationRecovery())
	require.Equal(t, 30*24*time.Hour, settings.GetProviderBehavior().GetRotationGrace().AsDuration())
	require.Equal(t, 24*time.Hour, settings.GetRefreshPolicy().GetKeepAlive().AsDuration())
	require.Equal(t, time.Hour, settings.GetRefreshPolicy().GetDefaultLifetime().AsDuration())
	require.Equal(t, canary+"client", settings.GetClientSecret())
	require.Len(t, settings.GetTokenParameters().GetBody(), 2)

	// What belongs together is the connection's together.
	_, err := f.update(t, ofOAuth2(&connectionv1.OAuth2Authorization{ProviderBehavior: &connectionv1.ProviderBehavior{
		RotationRecovery: connectionv1.ProviderBehavior_SINGLE_USE,
	}}))
	require.NoError(t, err)
	settings = f.settings(t, crm).GetOauth2()
	require.Equal(t, connectionv1.ProviderBehavior_SINGLE_USE, settings.GetProviderBehavior().GetRotationRecovery())
	require.Nil(t, settings.GetProviderBehavior().GetRotationGrace())
	require.Equal(t, canary+"refresh", settings.GetRefreshToken())
}

func TestAProviderThatDoesNotFitIsRefused(t *testing.T) {
	f := newFixture(t)
	create := func(a *connectionv1.OAuth2Authorization) error {
		_, err := f.api.CreateConnection(t.Context(), &connectionv1.CreateConnectionRequest{
			Parent: parent, ConnectionId: "crm", Connection: ofOAuth2(a),
		})
		return err
	}
	requireError(t, create(preset("providers/nobody", nil)), codes.NotFound, errorsv1.Reason_PROVIDER_NOT_FOUND)
	requireField(t, create(preset("google", nil)), errorsv1.Reason_INVALID_FIELD, "connection.oauth2.provider", "pattern")
	requireField(t, create(preset("providers/shopify", nil)), errorsv1.Reason_INVALID_FIELD,
		`connection.oauth2.provider_parameters["shop"]`, "is required")
	requireField(t, create(preset("providers/shopify", map[string]string{"shop": "a.evil.example/"})), errorsv1.Reason_INVALID_FIELD,
		`connection.oauth2.provider_parameters["shop"]`, "must match")
	requireField(t, create(preset("", nil)), errorsv1.Reason_INVALID_FIELD, "connection.oauth2.token_endpoint", "is required without oauth2.provider")

	alone := preset("", map[string]string{"shop": "a"})
	alone.TokenEndpoint = "https://as.example/token"
	requireField(t, create(alone), errorsv1.Reason_INVALID_FIELD, "connection.oauth2.provider_parameters", "must be empty without oauth2.provider")

	twice := preset("providers/google", nil)
	twice.RefreshPolicy = &connectionv1.RefreshPolicy{KeepAlive: durationpb.New(200 * 24 * time.Hour)}
	requireField(t, create(twice), errorsv1.Reason_INVALID_FIELD, "connection.oauth2.refresh_policy.keep_alive", "must be shorter than")
}

// TestAnEntryThatIsGone has a replica of another catalogue serve a connection: what an operator does who takes an entry away.
func TestAnEntryThatIsGone(t *testing.T) {
	f := newFixture(t)
	f.create(t, "crm", ofOAuth2(preset("providers/google", nil)))
	f.Catalog = &catalog.Catalog{}
	f.Service = f.Replica(t, f.DB)
	other := serve(t, f.Suite)

	_, err := other.internal.GetAuthorizationSettings(t.Context(), &connectionv1.GetAuthorizationSettingsRequest{Name: crm})
	requireError(t, err, codes.NotFound, errorsv1.Reason_PROVIDER_NOT_FOUND)
	_, err = other.api.TestConnection(t.Context(), &connectionv1.TestConnectionRequest{Name: crm})
	requireError(t, err, codes.NotFound, errorsv1.Reason_PROVIDER_NOT_FOUND)
	require.Equal(t, "providers/google", other.get(t, crm).GetOauth2().GetProvider(), "it can be read, and changed")
	_, err = other.update(t, ofOAuth2(&connectionv1.OAuth2Authorization{TokenEndpoint: "https://as.example/token"}), "oauth2.provider", "oauth2.token_endpoint")
	require.NoError(t, err)
	require.Equal(t, "https://as.example/token", other.settings(t, crm).GetOauth2().GetTokenEndpoint())
}

func TestProviders(t *testing.T) {
	f := newFixture(t)
	providers := f.catalog
	var listed []string
	request := &connectionv1.ListProvidersRequest{PageSize: 3}
	for {
		page, err := providers.ListProviders(t.Context(), request)
		require.NoError(t, err)
		for _, p := range page.GetProviders() {
			require.NotEmpty(t, p.GetDocs())
			require.Empty(t, p.GetDefinition())
			listed = append(listed, p.GetName())
		}
		if request.PageToken = page.GetNextPageToken(); request.GetPageToken() == "" {
			break
		}
		require.Len(t, page.GetProviders(), 3)
	}
	require.IsIncreasing(t, listed)
	require.Contains(t, listed, "providers/google")

	got, err := providers.GetProvider(t.Context(), &connectionv1.GetProviderRequest{Name: "providers/microsoft"})
	require.NoError(t, err)
	require.Equal(t, "Microsoft", got.GetProvider().GetDisplayName())
	require.Equal(t, "tenant", got.GetProvider().GetParameters()[0].GetKey())
	require.Equal(t, "common", got.GetProvider().GetParameters()[0].GetDefaultValue())
	require.Empty(t, got.GetProvider().GetDefaults().GetTokenEndpoint(), "it differs between connections")
	require.Equal(t, connectionv1.ProviderBehavior_REUSABLE, got.GetProvider().GetDefaults().GetProviderBehavior().GetRotationRecovery())
	_, err = catalog.Parse("microsoft.yaml", []byte(got.GetProvider().GetDefinition()))
	require.NoError(t, err)

	_, err = providers.GetProvider(t.Context(), &connectionv1.GetProviderRequest{Name: "providers/nobody"})
	requireError(t, err, codes.NotFound, errorsv1.Reason_PROVIDER_NOT_FOUND)
	_, err = providers.ListProviders(t.Context(), &connectionv1.ListProvidersRequest{PageToken: "x"})
	requireError(t, err, codes.InvalidArgument, errorsv1.Reason_INVALID_PAGE_TOKEN)
}
