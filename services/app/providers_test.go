package app_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/catalog"
	"github.com/freshet-io/freshet/services/connection/wire"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/oauth"
	"github.com/freshet-io/freshet/services/token/settings"
)

// refreshed is a refresh at a provider: what it must be asked, what it answers, and what that means.
type refreshed struct {
	provider   string
	parameters map[string]string
	grant      connection.GrantType // default REFRESH_TOKEN

	url    string            // where the request must go
	fields map[string]string // what the body, or the query of a GET, must have among others; "-": must not have
	basic  bool              // whether the client must be in the header Authorization
	json   bool              // whether the body must be JSON

	status  int    // default 200
	answer  string // EXPIRES in it is the time of expiry
	refresh string // the new refresh token
	expires time.Duration
	class   token.Class // of a failure
}

// TestProvidersAsTheySpeak has the entries of providers with quirks drive the token client against a server that answers as their pages say.
func TestProvidersAsTheySpeak(t *testing.T) {
	providers, err := catalog.New(nil)
	require.NoError(t, err)
	for name, row := range map[string]refreshed{
		"Slack": {
			provider: "slack", url: "https://slack.com/api/oauth.v2.access", basic: true, refresh: "rt2", expires: 12 * time.Hour,
			answer: `{"ok":true,"access_token":"at2","refresh_token":"rt2","expires_in":43200,"token_type":"bot"}`,
		},
		"Slack, dead":  {provider: "slack", url: "https://slack.com/api/oauth.v2.access", basic: true, answer: `{"ok":false,"error":"invalid_refresh_token"}`, class: token.ClassGrantDead},
		"Slack, limit": {provider: "slack", url: "https://slack.com/api/oauth.v2.access", basic: true, answer: `{"ok":false,"error":"ratelimited"}`, class: token.ClassThrottled},
		"Slack, user": {
			provider: "slack-user", url: "https://slack.com/api/oauth.v2.access", basic: true, refresh: "rt2", expires: time.Hour,
			answer: `{"ok":true,"access_token":"bot","expires_in":43200,"authed_user":{"access_token":"at2","refresh_token":"rt2","expires_in":3600}}`,
		},
		"Salesforce names no lifetime": {
			provider: "salesforce", url: "https://login.salesforce.com/services/oauth2/token", expires: 2 * time.Hour,
			answer: `{"access_token":"at2","instance_url":"https://acme.my.salesforce.com","issued_at":"1755000000000"}`,
		},
		"Shopify, per shop": {
			provider: "shopify", parameters: map[string]string{"shop": "acme-store"}, url: "https://acme-store.myshopify.com/admin/oauth/access_token",
			fields: map[string]string{"expiring": "1"}, refresh: "rt2", expires: time.Hour,
			answer: `{"access_token":"at2","refresh_token":"rt2","expires_in":3600,"refresh_token_expires_in":7776000}`,
		},
		"GitHub, dead with 200": {
			provider: "github-app", url: "https://github.com/login/oauth/access_token", answer: `{"error":"bad_refresh_token"}`, class: token.ClassGrantDead,
		},
		"Zendesk is asked for a lifetime": {
			provider: "zendesk", parameters: map[string]string{"subdomain": "acme"}, url: "https://acme.zendesk.com/oauth/tokens",
			fields: map[string]string{"expires_in": "172800"}, refresh: "rt2", expires: 48 * time.Hour,
			answer: `{"access_token":"at2","refresh_token":"rt2","expires_in":172800}`,
		},
		"QuickBooks": {
			provider: "quickbooks", url: "https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer", basic: true, refresh: "rt2", expires: time.Hour,
			answer: `{"access_token":"at2","refresh_token":"rt2","expires_in":3600,"x_refresh_token_expires_in":8726400}`,
		},
		"Notion": {
			provider: "notion", url: "https://api.notion.com/v1/oauth/token", basic: true, json: true, refresh: "rt2", expires: token.DefaultLifetime,
			answer: `{"access_token":"at2","refresh_token":"rt2","bot_id":"b"}`,
		},
		"TikTok": {
			provider: "tiktok", url: "https://open.tiktokapis.com/v2/oauth/token/", fields: map[string]string{"client_key": "id", "client_id": "-"},
			refresh: "rt2", expires: 24 * time.Hour, answer: `{"access_token":"at2","refresh_token":"rt2","expires_in":86400}`,
		},
		"Basecamp": {
			provider: "basecamp", url: "https://launchpad.37signals.com/authorization/token?type=refresh", fields: map[string]string{"grant_type": "-", "refresh_token": "rt"},
			expires: 14 * 24 * time.Hour, answer: `{"access_token":"at2","expires_in":1209600}`,
		},
		"Sentry": {
			provider: "sentry", parameters: map[string]string{"slug": "a", "installation_id": strings.Repeat("0", 36)}, json: true, status: http.StatusCreated,
			url:    "https://sentry.io/api/0/sentry-app-installations/" + strings.Repeat("0", 36) + "/authorizations/",
			answer: `{"token":"at2","refreshToken":"rt2","expiresAt":"EXPIRES"}`, refresh: "rt2", expires: 8 * time.Hour,
		},
		"Zoho, dead with 200": {
			provider: "zoho", parameters: map[string]string{"accounts_host": "accounts.zoho.eu"}, url: "https://accounts.zoho.eu/oauth/v2/token",
			answer: `{"error":"invalid_code"}`, class: token.ClassGrantDead,
		},
		"Zoho, too many": {
			provider: "zoho", url: "https://accounts.zoho.com/oauth/v2/token", status: http.StatusBadRequest,
			answer: `{"error":"Access Denied","error_description":"You have made too many requests continuously."}`, class: token.ClassThrottled,
		},
		"Vertex, limit as a wrong request": {
			provider: "vertex", grant: connection.ClientCredentials, url: "https://auth.vertexcloud.com/oauth/token", status: http.StatusBadRequest,
			answer: `{"error":"invalid_request","error_description":"Client has exceeded the rate limit of 10 tokens/28800 seconds"}`, class: token.ClassThrottled,
		},
		"Atlassian, dead with 403": {
			provider: "atlassian", url: "https://auth.atlassian.com/oauth/token", json: true, status: http.StatusForbidden,
			answer: `{"error":"unauthorized_client","error_description":"refresh_token is invalid"}`, class: token.ClassGrantDead,
		},
		"Wise": {
			provider: "wise", url: "https://api.wise.com/oauth/token", basic: true, expires: 12 * time.Hour,
			answer: `{"access_token":"at2","expires_in":43199.9,"refresh_token_expires_in":628639555}`,
		},
		"Zoom, for an account": {
			provider: "zoom-s2s", parameters: map[string]string{"account_id": "abc"}, grant: connection.ClientCredentials, basic: true,
			url: "https://zoom.us/oauth/token?grant_type=account_credentials&account_id=abc", fields: map[string]string{"grant_type": "-"},
			expires: time.Hour, answer: `{"access_token":"at2","expires_in":3599}`,
		},
		"Figma": {provider: "figma", url: "https://api.figma.com/v1/oauth/refresh", basic: true, expires: 90 * 24 * time.Hour, answer: `{"access_token":"at2","expires_in":7776000}`},
		"Dropbox Sign": {
			provider: "dropbox-sign", url: "https://app.hellosign.com/oauth/token?refresh", json: true, refresh: "rt2", expires: 24 * time.Hour,
			answer: `{"access_token":"at2","refresh_token":"rt2","expires_in":86400}`,
		},
		"Withings": {
			provider: "withings", url: "https://wbsapi.withings.net/v2/oauth2", fields: map[string]string{"action": "requesttoken"}, refresh: "rt2", expires: 3 * time.Hour,
			answer: `{"status":0,"body":{"access_token":"at2","refresh_token":"rt2","expires_in":10800}}`,
		},
		"Withings, limit": {provider: "withings", url: "https://wbsapi.withings.net/v2/oauth2", answer: `{"status":601,"body":{},"error":"Too Many Requests"}`, class: token.ClassThrottled},
		"PayPal writes numbers as text": {
			provider: "paypal", grant: connection.ClientCredentials, url: "https://api-m.paypal.com/v1/oauth2/token", basic: true, expires: 9 * time.Hour,
			answer: `{"access_token":"at2","expires_in":"32400"}`,
		},
		"Stripe Apps": {
			provider: "stripe-apps", url: "https://api.stripe.com/v1/oauth/token", fields: map[string]string{"client_id": "-"}, refresh: "rt2", expires: time.Hour,
			answer: `{"access_token":"at2","refresh_token":"rt2","stripe_user_id":"acct_1"}`,
		},
	} {
		t.Run(name, func(t *testing.T) { row.check(t, providers) })
	}
}

func (row refreshed) check(t *testing.T, providers *catalog.Catalog) {
	asked := make(chan request, 1)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- received(r)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(max(row.status, http.StatusOK))
		_, _ = io.WriteString(w, strings.ReplaceAll(row.answer, "EXPIRES", time.Now().Add(row.expires).UTC().Format(time.RFC3339)))
	}))
	defer server.Close()
	client := server.Client()
	transport, ok := client.Transport.(*http.Transport)
	require.True(t, ok)
	transport.TLSClientConfig.ServerName = "example.com" // what the server's certificate is for
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}
	exchanger, err := oauth.New(oauth.Config{HTTP: client})
	require.NoError(t, err)
	of := row.settings(t, providers)

	answer, err := exchanger.Exchange(t.Context(), of, token.Grant{})
	require.NoError(t, err)
	issued, err := exchanger.Read(answer, of, token.Grant{})

	row.compare(t, <-asked)
	if row.class != "" {
		var failure *token.Failure
		require.ErrorAs(t, err, &failure)
		require.Equal(t, row.class, failure.Class)
		return
	}
	require.NoError(t, err)
	require.Equal(t, "at2", issued.AccessToken.Reveal())
	require.Equal(t, row.refresh, issued.RefreshToken.Reveal())
	require.WithinDuration(t, issued.IssueTime.Add(row.expires), issued.ExpireTime, 5*time.Second)
}

// settings are those that the token service has of a connection that says nothing but the provider.
func (row refreshed) settings(t *testing.T, providers *catalog.Catalog) token.OAuth2 {
	defaults, err := providers.Defaults(connection.ProviderRef{ID: row.provider, Parameters: row.parameters})
	require.NoError(t, err)
	own := connection.OAuth2{GrantType: row.grant, ClientID: "id", ClientAuthentication: defaults.ClientAuthentication}
	if own.ClientAuthentication != connection.NoClientAuth {
		own.ClientSecret = seal.NewSecret("secret")
	}
	if own.GrantType == "" {
		own.GrantType, own.RefreshToken = connection.RefreshToken, seal.NewSecret("rt")
	}
	of, err := settings.FromProto(wire.FromSettings(connection.Connection{
		Settings: connection.Settings{Kind: connection.KindOAuth2, OAuth2: own.FilledFrom(defaults)},
	}))
	require.NoError(t, err)
	return of.OAuth2
}

// request is one that the server had.
type request struct {
	url    string
	fields url.Values
	basic  bool
	json   bool
}

func received(r *http.Request) request {
	got := request{url: "https://" + r.Host + r.URL.String(), json: r.Header.Get("Content-Type") == "application/json"}
	_, _, got.basic = r.BasicAuth()
	if !got.json {
		_ = r.ParseForm()
		got.fields = r.PostForm
		return got
	}
	var body map[string]string
	_ = json.NewDecoder(r.Body).Decode(&body)
	got.fields = url.Values{}
	for key, value := range body {
		got.fields.Set(key, value)
	}
	return got
}

func (row refreshed) compare(t *testing.T, got request) {
	require.Equal(t, row.url, got.url)
	require.Equal(t, row.basic, got.basic, "HTTP Basic")
	require.Equal(t, row.json, got.json, "JSON")
	for key, value := range row.fields {
		if value == "-" {
			require.False(t, got.fields.Has(key), key)
			continue
		}
		require.Equal(t, value, got.fields.Get(key), key)
	}
}
