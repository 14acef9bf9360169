package commands

import (
	"context"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
)

func acme() *connectionv1.Provider {
	return &connectionv1.Provider{
		Name: "providers/acme", DisplayName: "Acme", Grants: []string{"CLIENT_CREDENTIALS", "REFRESH_TOKEN"},
		Parameters: []*connectionv1.ProviderParameter{{Key: "shop"}, {Key: "region"}},
	}
}

func (s *scripted) ListProviders(_ context.Context, r *connectionv1.ListProvidersRequest) (*connectionv1.ListProvidersResponse, error) {
	s.record(r)
	if r.GetPageToken() == "" {
		return &connectionv1.ListProvidersResponse{Providers: []*connectionv1.Provider{acme()}, NextPageToken: "more"}, nil
	}
	return &connectionv1.ListProvidersResponse{Providers: []*connectionv1.Provider{{Name: "providers/own", DisplayName: "Ours", Own: true}}}, nil
}

func (s *scripted) GetProvider(_ context.Context, r *connectionv1.GetProviderRequest) (*connectionv1.GetProviderResponse, error) {
	s.record(r)
	provider := acme()
	provider.Definition = "id: acme\nname: Acme\n"
	return &connectionv1.GetProviderResponse{Provider: provider}, nil
}
