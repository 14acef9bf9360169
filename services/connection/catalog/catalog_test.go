package catalog_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/catalog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// small is the least that an entry must say.
const small = `id: acme
name: Acme
docs: [https://acme.example/docs]
grants: [CLIENT_CREDENTIALS]
token: {endpoint: "https://acme.example/token"}
`

// with is small with one more line.
func with(lines ...string) string { return small + strings.Join(lines, "\n") + "\n" }

func TestEveryEntryRendersAndReadsBack(t *testing.T) {
	c, err := catalog.New(nil)
	require.NoError(t, err)
	list := c.List("", 1000)
	for _, entry := range list {
		require.False(t, entry.Own)
		parameters := map[string]string{}
		for _, p := range entry.Instance {
			parameters[p.Name] = p.Example
		}
		defaults, err := c.Defaults(connection.ProviderRef{ID: entry.ID, Parameters: parameters})
		require.NoError(t, err, entry.ID)
		require.True(t, strings.HasPrefix(defaults.TokenEndpoint, "https://"), entry.ID)
		require.NotContains(t, defaults.TokenEndpoint, "{")

		api, err := c.API(connection.ProviderRef{ID: entry.ID, Parameters: parameters}, nil)
		require.NoError(t, err, entry.ID)
		require.NotContains(t, api.BaseURL, "{")
		known := !slices.ContainsFunc(regexp.MustCompile(`\{([a-z0-9_]+)\}`).FindAllStringSubmatch(entry.API.Base, -1), func(name []string) bool {
			_, given := parameters[name[1]]
			return !given // it comes with an authorization
		})
		require.Equal(t, known && entry.API.Base != "", strings.HasPrefix(api.BaseURL, "https://"), "%s: %q", entry.ID, api.BaseURL)

		text, err := entry.YAML()
		require.NoError(t, err)
		again, err := catalog.Parse("again.yaml", text)
		require.NoError(t, err, "%s", text)
		require.Equal(t, entry.Entry, again)
	}
}

func TestListIsPagedByID(t *testing.T) {
	c, err := catalog.New(nil)
	require.NoError(t, err)
	var got []string
	for after := ""; ; {
		page := c.List(after, 3)
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			got = append(got, e.ID)
		}
		after = page[len(page)-1].ID
	}
	require.IsIncreasing(t, got)
	require.Len(t, c.List("", 1000), len(got))
	require.Len(t, c.List("google", 1000), len(got)-len(c.List("", 1000))+len(c.List("google", 1000)))
	_, err = c.Get("nobody")
	require.ErrorAs(t, err, new(*connection.UnknownProviderError))
}

// TestProblems has one fault at a time: its line, its field, and what is allowed are named.
func TestProblems(t *testing.T) {
	for name, test := range map[string]struct{ text, says string }{
		"empty":          {"", "acme.yaml: is empty"},
		"no YAML":        {"{", "acme.yaml: is no YAML"},
		"two entries":    {small + "---\n" + small, "acme.yaml: must hold one document"},
		"large":          {"# " + strings.Repeat("x", 64<<10), "acme.yaml: is larger than 64 KiB"},
		"a list":         {"[]", "acme.yaml:1: must be a mapping with the fields api, auth, "},
		"unknown":        {with("colour: red"), "acme.yaml:6: colour: there is no such field; there are api, "},
		"unknown below":  {with("rotation: {mod: NONE}"), "acme.yaml:6: rotation.mod: there is no such field; there are absolute, anchored_at, "},
		"twice":          {with("id: acme"), "acme.yaml:6: id: is given twice"},
		"missing":        {strings.Replace(small, "name: Acme\n", "", 1), "acme.yaml:1: name: is required"},
		"blank":          {strings.Replace(small, "name: Acme", `name: " "`, 1), "acme.yaml:2: name: is required"},
		"enum":           {with("rotation:", "  mode: OFTEN"), `acme.yaml:7: rotation.mode: "OFTEN" is none of NONE, ALWAYS, SOMETIMES`},
		"enum in a list": {strings.Replace(small, "[CLIENT_CREDENTIALS]", "[IMPLICIT]", 1), `acme.yaml:4: grants[0]: "IMPLICIT" is none of CLIENT_CREDENTIALS, `},
		"duration":       {with("lifetime: {default: 1 hour}"), `acme.yaml:6: lifetime.default: "1 hour" is no duration: write 90d, 8h`},
		"long":           {with("rotation: {mode: ALWAYS, recovery: GRACE, grace: 181d}"), "acme.yaml:6: rotation.grace: must be at most 180d"},
		"no length":      {with("lifetime: {default: 0s}"), "lifetime.default: must be at least 1s"},
		"number":         {with("mint_budget: {limit: many, period: 1h}"), "mint_budget.limit: must be a whole number"},
		"bool":           {with("refresh: {same_token_ok: yes please}"), "refresh.same_token_ok: must be true or false"},
		"list wanted":    {with("steps: 1"), "steps: must be a list"},
		"map wanted":     {with("api: {headers: [a]}"), "api.headers: must be a mapping of texts"},
		"value wanted":   {with("description: [a]"), "description: must have one value"},
		"alias":          {with("description: &a x", "api: {base: *a}"), "acme.yaml:7: api.base: must be written out"},
		"id":             {strings.Replace(small, "id: acme", "id: Acme", 1), "acme.yaml:1: id: must be lower-case letters"},
		"docs":           {strings.Replace(small, "[https://acme.example/docs]", "[]", 1), "docs: must cite at least one page"},
		"page":           {strings.Replace(small, "https://acme.example/docs", "our wiki", 1), "docs[0]: must be an https URL"},
		"no grants":      {strings.Replace(small, "[CLIENT_CREDENTIALS]", "[]", 1), "grants: must have at least one"},
		"http":           {strings.Replace(small, "https://acme.example/token", "http://acme.example/token", 1), "acme.yaml:5: token.endpoint: must be an https URL"},
		"user":           {with("revoke: {endpoint: \"https://me@acme.example/\"}"), "revoke.endpoint: must have no user"},
		"fragment":       {with("revoke: {endpoint: \"https://acme.example/#x\"}"), "revoke.endpoint: must have no user and no fragment"},
		"placeholder":    {with("revoke: {endpoint: \"https://{shop}.acme.example/\"}"), "revoke.endpoint: {shop} is no value that is known here"},
		"unused":         {with("instance:", "  - {name: shop, description: d, example: a}"), "instance[0].name: {shop} stands in no URL"},
		"example":        {with("instance:", `  - {name: shop, description: d, example: A, pattern: "[a-z]+"}`, `api: {base: "https://{shop}.acme.example"}`), "instance[0].example: must match [a-z]+"},
		"default":        {with("instance:", `  - {name: shop, description: d, example: a, default: "a/b"}`, `api: {base: "https://{shop}.acme.example"}`), "instance[0].default: may have letters"},
		"pattern":        {with("instance:", `  - {name: shop, description: d, example: a, pattern: "("}`, `api: {base: "https://{shop}.acme.example"}`), "instance[0].pattern: is no regular expression"},
		"parameter name": {with("instance:", `  - {name: Shop, description: d, example: a}`, `api: {base: "https://{Shop}.acme.example"}`), "instance[0].name: must be lower-case letters"},
		"same name":      {with("token: {}"), "token: is given twice"},
		"late capture":   {with("steps:", `  - {name: s, url: "https://a.example/{x}", capture: [{name: x, from: id}]}`), "steps[0].url: {x} is no value that is known here"},
		"URL within":     {with("callback: {capture: [{name: x, from: x, kind: URL}]}", `api: {base: "https://a.example/{x}"}`), "api.base: {x} is a URL and can only stand at the beginning"},
		"authorize":      {strings.Replace(small, "CLIENT_CREDENTIALS", "AUTHORIZATION_CODE", 1), "authorize.url: is required with the grant AUTHORIZATION_CODE"},
		"device":         {strings.Replace(small, "CLIENT_CREDENTIALS", "DEVICE_CODE", 1), "authorize.device_authorization_endpoint: is required"},
		"sent anyway":    {with("authorize: {parameters: {scope: x}}"), "authorize.parameters.scope: is sent anyway"},
		"renamed":        {with("authorize: {field_names: {nonce: x}}"), "authorize.field_names.nonce: is no field of an authorization request"},
		"separator":      {with(`authorize: {scope_separator: ", "}`), "authorize.scope_separator: must be one character"},
		"recovery":       {with("rotation: {mode: ALWAYS}"), "rotation.recovery: is required with the mode ALWAYS"},
		"no rotation":    {with("rotation: {mode: NONE, recovery: GRACE, grace: 1m}"), "rotation.recovery: must be REUSABLE"},
		"grace":          {with("rotation: {mode: ALWAYS, recovery: GRACE}"), "acme.yaml:6: rotation.grace: is required with GRACE"},
		"anchor":         {with("rotation: {anchored_at: CONSENT}"), "rotation.anchored_at: must be left out"},
		"leeway":         {with("old_access_token: {fate: LEEWAY}"), "old_access_token.leeway: is required with LEEWAY"},
		"never":          {with("lifetime: {source: NEVER, default: 1h}"), "lifetime.default: must be left out"},
		"fixed":          {with("lifetime: {source: FIXED}"), "lifetime.default: is required"},
		"before":         {with("lifetime: {default: 1h}", "refresh: {before: 1h}"), "refresh.before: must be shorter"},
		"not before":     {with("lifetime: {default: 1h}", "refresh: {not_before: 2h}"), "refresh.not_before: must be shorter"},
		"keep alive":     {with("rotation: {max_idle: 30d}", "refresh: {keep_alive: 30d}"), "refresh.keep_alive: must be shorter"},
		"keep alive min": {with("refresh: {keep_alive: 30s}"), "refresh.keep_alive: must be at least 1m"},
		"budget":         {with("mint_budget: {per: USER}"), "mint_budget.limit: is required with per"},
		"budget period":  {with("mint_budget: {limit: 5}"), "mint_budget.period: is required"},
		"revocation":     {with("revoke: {cascades: true}"), "revoke.endpoint: is required"},
		"header":         {with(`api: {headers: {"a b": c}}`), `api.headers.a b: "a b" is no header name`},
		"both":           {with("api: {authorization_scheme: x, access_token_header: y}"), "api.authorization_scheme: must be empty"},
		"status":         {with("api: {rate_limit: {statuses: [200]}}"), "api.rate_limit.statuses[0]: must be a status code from 400 to 599"},
		"reset":          {with("api: {rate_limit: {reset_kind: EPOCH}}"), "api.rate_limit.reset: is required"},
		"host":           {with(`api: {hosts: ["a/b"]}`), "api.hosts[0]: must be a host name"},
		"path":           {strings.Replace(small, `token"}`, `token", response: {access_token: "a..b"}}`, 1), "token.response.access_token: must be member names"},
		"field name":     {strings.Replace(small, `token"}`, `token", field_names: {id: x}}`, 1), `token.field_names["id"]: is no field of a token request`},
		"error code":     {strings.Replace(small, `token"}`, `token", response: {error_codes: {bad: worse}}}`, 1), `token.response.error_codes["bad"]: must stand for one of`},
		"own parameter":  {strings.Replace(small, `token"}`, `token", parameters: {body: {scope: x}}}`, 1), "token.parameters.body[0].key: \"scope\" is a field of the protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := catalog.Parse("acme.yaml", []byte(test.text))
			var problems catalog.LintErrors
			require.ErrorAs(t, err, &problems)
			require.Len(t, problems, 1, "%v", err)
			require.Contains(t, problems[0].String(), test.says)
		})
	}
	_, err := catalog.Parse("acme.yaml", []byte(small))
	require.NoError(t, err)
}

func TestAllProblemsAreTold(t *testing.T) {
	_, err := catalog.Parse("acme.yaml", []byte(with("a: 1", "b: 1", "rotation: {mode: x}")))
	var problems catalog.LintErrors
	require.ErrorAs(t, err, &problems)
	require.Len(t, problems, 3)
	require.Equal(t, "acme.yaml:6: a: there is no such field", strings.Split(err.Error(), ";")[0])
}

func TestOwnEntriesAddAndReplace(t *testing.T) {
	own := fstest.MapFS{
		"acme.yaml":      {Data: []byte(small)},
		"google.yml":     {Data: []byte(strings.Replace(small, "id: acme", "id: google", 1))},
		"README.md":      {Data: []byte("not an entry")},
		"more/deep.yaml": {Data: []byte("not read")},
	}
	c, err := catalog.New(own)
	require.NoError(t, err)
	for _, id := range []string{"acme", "google"} {
		entry, err := c.Get(id)
		require.NoError(t, err)
		require.True(t, entry.Own)
		require.Equal(t, "https://acme.example/token", entry.Token.Endpoint)
	}
	own["other.yaml"] = &fstest.MapFile{Data: []byte(small)}
	_, err = catalog.New(own)
	require.ErrorContains(t, err, "other.yaml: id: must be the file's name: other")
}

func TestSchemaIsThatOfTheDocument(t *testing.T) {
	text, err := catalog.Schema()
	require.NoError(t, err)
	var schema map[string]any
	require.NoError(t, json.Unmarshal(text, &schema))
	path := filepath.Join("..", "..", "..", "docs", "provider.schema.json")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(path, append(text, '\n'), 0o644))
	}
	published, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(published), string(text)+"\n", "UPDATE_GOLDEN=1 writes docs/provider.schema.json")
}

func TestDefaults(t *testing.T) {
	c, err := catalog.New(nil)
	require.NoError(t, err)
	defaults := func(id string, parameters map[string]string) connection.OAuth2 {
		d, err := c.Defaults(connection.ProviderRef{ID: id, Parameters: parameters})
		require.NoError(t, err)
		return d
	}
	shopify := defaults("shopify", map[string]string{"shop": "acme-store"})
	require.Equal(t, "https://acme-store.myshopify.com/admin/oauth/access_token", shopify.TokenEndpoint)
	require.Equal(t, "X-Shopify-Access-Token", shopify.Dialect.AccessTokenHeader)
	require.Equal(t, connection.RecoveryUntilSuccessorUsed, shopify.Provider.Recovery)
	require.Equal(t, 30*24*time.Hour, shopify.Provider.RotationGrace)
	require.Equal(t, "expiring", shopify.Token.Body[0].Key)
	require.Equal(t, connection.ClientSecretPost, shopify.ClientAuthentication)

	atlassian := defaults("atlassian", nil)
	require.Equal(t, connection.OldTokenLeeway, atlassian.Provider.OldAccessToken)
	require.Equal(t, 10*time.Minute, atlassian.Provider.OldAccessTokenLeeway)
	require.Equal(t, 365*24*time.Hour, atlassian.Provider.GrantLifetime)
	require.Equal(t, "invalid_grant", atlassian.Dialect.ErrorCodes["unauthorized_client"])

	require.Equal(t, connection.RecoveryReusable, defaults("google", nil).Provider.Recovery)
	require.Equal(t, connection.OldTokenKilled, defaults("github-app", nil).Provider.OldAccessToken)
	require.Equal(t, 366*24*time.Hour, defaults("github", nil).Refresh.DefaultLifetime, "tokens that do not expire")
	require.Empty(t, defaults("slack", nil).Provider.RevocationEndpoint, "not as RFC 7009")
	require.Equal(t, "https://login.microsoftonline.com/common/oauth2/v2.0/token", defaults("microsoft", nil).TokenEndpoint)
}

func TestInstanceValuesAreJudged(t *testing.T) {
	c, err := catalog.New(nil)
	require.NoError(t, err)
	for name, test := range map[string]struct {
		id         string
		parameters map[string]string
		field      string
		says       string
	}{
		"missing":      {"shopify", nil, "shop", "is required for the provider shopify: The shop's name"},
		"pattern":      {"shopify", map[string]string{"shop": "a.b"}, "shop", "must match [a-zA-Z0-9][a-zA-Z0-9-]*, as acme-store does"},
		"another host": {"shopify", map[string]string{"shop": "evil.example/x"}, "shop", "must match"},
		"line break":   {"shopify", map[string]string{"shop": "a\n"}, "shop", "must match"},
		"foreign host": {"salesforce", map[string]string{"login_host": "salesforce.com.evil.example"}, "login_host", "must match"},
		"not there":    {"shopify", map[string]string{"shop": "a", "colour": "b"}, "colour", "is no parameter of the provider shopify, which has shop"},
		"none there":   {"google", map[string]string{"tenant": "b"}, "tenant", "which has none"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.Defaults(connection.ProviderRef{ID: test.id, Parameters: test.parameters})
			var invalid *connection.ValidationError
			require.ErrorAs(t, err, &invalid)
			require.Len(t, invalid.Violations, 1)
			require.Equal(t, `oauth2.provider_parameters["`+test.field+`"]`, invalid.Violations[0].Field)
			require.Contains(t, invalid.Violations[0].Description, test.says)
		})
	}
	_, err = c.Defaults(connection.ProviderRef{ID: "nobody"})
	require.ErrorAs(t, err, new(*connection.UnknownProviderError))
}
