package connection

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"strings"
)

// API is what a connection's credential is for.
type API struct {
	BaseURL   string            // paths of calls are put behind it
	Hosts     []string          // further hosts that the credential may be sent to: host or host:port
	Headers   map[string]string // of every call that does not have them itself
	RateLimit APIRateLimit

	Limit          APILimit // that is kept to for each token
	EncodedSlashes bool     // paths may have %2F
}

// APIRateLimit names the headers in which an API speaks of its limits.
type APIRateLimit struct {
	Remaining  string // what is left
	Reset      string // when the limit is whole again
	ResetKind  string // how that is written: SECONDS (or empty), EPOCH, EPOCH_MILLISECONDS, RFC3339
	RetryAfter string // when to come back; empty: Retry-After
	Statuses   []int  // that mean a limit, besides 429
}

// API returns the API of a connection.
//
// Errors: ErrNotFound, ErrNoAPI, and those of the catalogue about the connection's provider.
func (s *Service) API(ctx context.Context, name Name) (API, error) { return s.api(ctx, name, nil) }

// GrantAPI returns the API of a grant: that of its connection, for its account.
//
// Errors: ErrGrantNotFound, and those of [Service.API].
func (s *Service) GrantAPI(ctx context.Context, name GrantName) (API, error) {
	g, err := s.grants.GetGrant(ctx, name)
	if err != nil {
		return API{}, err
	}
	return s.api(ctx, name.Connection, g.Account)
}

func (s *Service) api(ctx context.Context, name Name, account map[string]string) (API, error) {
	c, err := s.store.Get(ctx, name)
	if err != nil {
		return API{}, err
	}
	var api API
	if c.Settings.Preset() != "" {
		if api, err = s.catalog.API(c.Settings.OAuth2.Preset, account); err != nil {
			return API{}, err
		}
	}
	if c.Settings.APIBaseURL != "" {
		api.BaseURL = c.Settings.APIBaseURL
	}
	if c.Settings.Proxy.Limit.PerSecond > 0 {
		api.Limit = c.Settings.Proxy.Limit
	}
	if api.Limit.PerSecond > 0 && api.Limit.Burst == 0 {
		api.Limit.Burst = max(1, int32(math.Ceil(api.Limit.PerSecond)))
	}
	api.EncodedSlashes = api.EncodedSlashes || c.Settings.Proxy.EncodedSlashes
	if api.BaseURL == "" {
		return API{}, fmt.Errorf("%w: %s", ErrNoAPI, name)
	}
	return api, nil
}

// checkProxy wants a limit where there is a burst.
func (s Settings) checkProxy() []Violation {
	if s.Proxy.Limit.Burst > 0 && s.Proxy.Limit.PerSecond == 0 {
		return []Violation{{"proxy_settings.burst", "goes with proxy_settings.requests_per_second"}}
	}
	return nil
}

// checkAPIBaseURL wants a URL that a path can be put behind.
func (s Settings) checkAPIBaseURL() []Violation {
	if s.APIBaseURL == "" {
		return nil
	}
	u, err := url.Parse(s.APIBaseURL)
	if err != nil || u.Host == "" || u.User != nil || strings.ContainsAny(s.APIBaseURL, "?#\\") {
		return []Violation{{"api_base_url", "must be a URL without user, query and fragment, such as https://api.example.com/v2"}}
	}
	return nil
}

// endpoints are the URLs that are called with the settings.
func (s Settings) endpoints() []Endpoint {
	var list []Endpoint
	if s.Kind == KindOAuth2 {
		list = s.OAuth2.Endpoints()
	}
	if s.APIBaseURL != "" {
		list = append(list, Endpoint{Field: "api_base_url", URL: s.APIBaseURL})
	}
	return list
}
