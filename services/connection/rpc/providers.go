package rpc

import (
	"context"
	"log/slog"
	"strings"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/connection/catalog"
	"github.com/freshet-io/freshet/services/connection/wire"
	"github.com/freshet-io/freshet/services/internal/page"
)

// providerServer serves the catalogue.
type providerServer struct {
	connectionv1.UnimplementedProviderServiceServer
	catalog *catalog.Catalog
	pages   *page.Codec
	logger  *slog.Logger
}

// ListProviders implements connectionv1.ProviderServiceServer.
func (s *providerServer) ListProviders(
	ctx context.Context, req *connectionv1.ListProvidersRequest,
) (*connectionv1.ListProvidersResponse, error) {
	const tokenScope = "ListProviders"
	cursor, err := s.pages.Decode(tokenScope, req.GetPageToken())
	if err != nil {
		return nil, s.fail(ctx, "", err)
	}
	after := ""
	if len(cursor) == 1 {
		after = cursor[0]
	}
	size := page.Size(req.GetPageSize())
	list := s.catalog.List(after, size+1)
	response := &connectionv1.ListProvidersResponse{}
	if len(list) > size {
		list = list[:size]
		response.NextPageToken = s.pages.Encode(tokenScope, list[size-1].ID)
	}
	for _, entry := range list {
		provider, err := wire.FromProvider(entry)
		if err != nil {
			return nil, s.fail(ctx, entry.ID, err)
		}
		response.Providers = append(response.Providers, provider)
	}
	return response, nil
}

// GetProvider implements connectionv1.ProviderServiceServer.
func (s *providerServer) GetProvider(
	ctx context.Context, req *connectionv1.GetProviderRequest,
) (*connectionv1.GetProviderResponse, error) {
	entry, err := s.catalog.Get(strings.TrimPrefix(req.GetName(), wire.ProviderName("")))
	if err != nil {
		return nil, s.fail(ctx, req.GetName(), err)
	}
	provider, err := wire.FromProvider(entry)
	if err != nil {
		return nil, s.fail(ctx, req.GetName(), err)
	}
	text, err := entry.YAML()
	if err != nil {
		return nil, s.fail(ctx, req.GetName(), err)
	}
	provider.Definition = string(text)
	return &connectionv1.GetProviderResponse{Provider: provider}, nil
}

func (s *providerServer) fail(ctx context.Context, name string, err error) error {
	return toStatus(ctx, s.logger, name, err)
}
