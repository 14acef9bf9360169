package manifest_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	"github.com/freshet-io/freshet/services/cmd/freshet/manifest"
)

const whole = `# All kinds.
kind: Connection
name: projects/shop/connections/crm
description: The CRM
oauth2:
  grantType: CLIENT_CREDENTIALS
  tokenEndpoint: https://as.example/token
  clientId: shop
  clientSecret: {valueFrom: {env: CRM_SECRET}}
  clientAuthentication: CLIENT_SECRET_POST
  scopes: [orders.write, orders.read]
  tokenParameters:
    body:
      - {key: resource, value: crm}
  refreshPolicy:
    refreshBefore: 90s
invocationParameters:
  headers:
    - key: x-tenant
      value: {valueFrom: {file: tenant.txt}}
    - key: x-region
      value: {valueFrom: {env: REGION}}
      secret: false
---
# Nothing but a comment.
---
kind: Bus
id: orders
description: Orders
---
kind: Destination
id: orders
connection: crm
endpoint: https://api.example/orders/*
httpMethod: PATCH
rateLimitPerSecond: 50
timeout: 1m30s
---
kind: Rule
id: completed
bus: orders
eventPattern: |
  {"source": ["shop"], "detail": {"total": [{"numeric": [">", 100.00]}]}}
targets:
  - id: t1
    destination: orders
    pathParameterValues: ["$.detail.id"]
    headerParameters: {x-event: "$.id"}
    inputPath: $.detail
    retryPolicy: {maximumRetryAttempts: 0, maximumEventAge: 1h}
`

func options() manifest.ParseOptions {
	env := map[string]string{"CRM_SECRET": "s3cret-env", "REGION": "eu", "EMPTY": ""}
	files := map[string]string{filepath.Join("conf", "tenant.txt"): "s3cret-file\n", filepath.Join("conf", "empty"): "\n"}
	return manifest.ParseOptions{
		Source: "shop.yaml", Dir: "conf",
		LookupEnv: func(name string) (string, bool) { value, ok := env[name]; return value, ok },
		ReadFile: func(path string) ([]byte, error) {
			if text, ok := files[path]; ok {
				return []byte(text), nil
			}
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		},
	}
}

func TestParse(t *testing.T) {
	objects, err := manifest.Parse(strings.NewReader(whole), options())
	require.NoError(t, err)
	want := []struct {
		name, source string
		message      proto.Message
	}{
		{"projects/shop/connections/crm", "shop.yaml:2 (document 1)", &connectionv1.Connection{
			Description: "The CRM",
			Authorization: &connectionv1.Connection_Oauth2{Oauth2: &connectionv1.OAuth2Authorization{
				GrantType: connectionv1.OAuth2Authorization_CLIENT_CREDENTIALS, TokenEndpoint: "https://as.example/token",
				ClientId: "shop", ClientSecret: "s3cret-env",
				ClientAuthentication: connectionv1.OAuth2Authorization_CLIENT_SECRET_POST,
				Scopes:               []string{"orders.write", "orders.read"},
				TokenParameters: &connectionv1.HttpParameters{
					Body: []*connectionv1.HttpParameter{{Key: "resource", Value: "crm"}},
				},
				RefreshPolicy: &connectionv1.RefreshPolicy{RefreshBefore: durationpb.New(90 * time.Second)},
			}},
			InvocationParameters: &connectionv1.HttpParameters{Headers: []*connectionv1.HttpParameter{
				{Key: "x-tenant", Value: "s3cret-file", Secret: true}, {Key: "x-region", Value: "eu"},
			}},
		}},
		{"projects/default/buses/orders", "shop.yaml:27 (document 3)", &deliveryv1.Bus{Description: "Orders"}},
		{"projects/default/destinations/orders", "shop.yaml:31 (document 4)", &deliveryv1.Destination{
			Connection: "projects/default/connections/crm", Endpoint: "https://api.example/orders/*",
			HttpMethod: deliveryv1.Destination_PATCH, RateLimitPerSecond: 50, Timeout: durationpb.New(90 * time.Second),
		}},
		{"projects/default/buses/orders/rules/completed", "shop.yaml:39 (document 5)", &deliveryv1.Rule{
			EventPattern: `{"source": ["shop"], "detail": {"total": [{"numeric": [">", 100.00]}]}}` + "\n",
			Targets: []*deliveryv1.Target{{
				Id: "t1", Destination: "projects/default/destinations/orders", PathParameterValues: []string{"$.detail.id"},
				HeaderParameters: map[string]string{"x-event": "$.id"}, InputPath: "$.detail",
				RetryPolicy: &deliveryv1.RetryPolicy{MaximumRetryAttempts: proto.Int32(0), MaximumEventAge: durationpb.New(time.Hour)},
			}},
		}},
	}
	require.Len(t, objects, len(want))
	for i, w := range want {
		require.Equal(t, w.name, objects[i].Name)
		require.Equal(t, w.source, objects[i].Source)
		require.Empty(t, cmp.Diff(w.message, objects[i].Message, protocmp.Transform()))
		require.Empty(t, objects[i].Warnings)
	}
}

func TestParseKeepsIDsInTheirProject(t *testing.T) {
	opts := options()
	opts.Project = "shop"
	objects, err := manifest.Parse(strings.NewReader(`
kind: Destination
id: a
connection: crm
---
kind: Destination
name: projects/other/destinations/b
connection: crm
---
kind: Rule
id: r
---
kind: Rule
id: r
bus: projects/other/buses/orders
`), opts)
	require.NoError(t, err)
	require.Equal(t, "projects/shop/destinations/a", objects[0].Name)
	require.Equal(t, "projects/shop/connections/crm", objects[0].Message.(*deliveryv1.Destination).GetConnection())
	require.Equal(t, "projects/other/connections/crm", objects[1].Message.(*deliveryv1.Destination).GetConnection())
	require.Equal(t, "projects/shop/buses/default/rules/r", objects[2].Name)
	require.Equal(t, "projects/other/buses/orders/rules/r", objects[3].Name)
}

// TestParseReadsTheSecretsOfConnections declares every write-only field once with valueFrom.
func TestParseReadsTheSecretsOfConnections(t *testing.T) {
	objects, err := manifest.Parse(strings.NewReader(`
kind: Connection
id: a
oauth2:
  grantType: TOKEN_EXCHANGE
  clientSecret: &secret {valueFrom: {env: CRM_SECRET}}
  alternateClientSecret: *secret
  signingKey: {privateKey: *secret, algorithm: EDDSA}
  clientCertificate: {certificateChain: {valueFrom: {file: tenant.txt}}, privateKey: *secret}
  refreshToken: *secret
  authorizationCode: {code: *secret, codeVerifier: *secret, redirectUri: "https://app.example/"}
  assertion: {lifetime: 5m, claims: '{"a": 1}'}
  tokenExchange: {subjectToken: *secret, actorToken: *secret, resources: ["https://a.example/"]}
  resourceOwner: {username: u, password: *secret}
  dialect: {method: GET, fieldNames: {client_id: client_key}, expiresInUnit: MILLISECONDS}
  providerBehavior: {rotationRecovery: GRACE, rotationGrace: 10m, mintLimit: 10, mintPeriod: 10m}
  refreshPolicy: {mode: WHILE_WATCHED, revokeSuperseded: true}
`), options())
	require.NoError(t, err)
	require.Empty(t, objects[0].Warnings)
	a := objects[0].Message.(*connectionv1.Connection).GetOauth2()
	for _, secret := range []string{
		a.GetClientSecret(), a.GetAlternateClientSecret(), a.GetSigningKey().GetPrivateKey(), a.GetClientCertificate().GetPrivateKey(),
		a.GetRefreshToken(), a.GetAuthorizationCode().GetCode(), a.GetAuthorizationCode().GetCodeVerifier(),
		a.GetTokenExchange().GetSubjectToken(), a.GetTokenExchange().GetActorToken(), a.GetResourceOwner().GetPassword(),
	} {
		require.Equal(t, "s3cret-env", secret)
	}
	require.Equal(t, "s3cret-file", a.GetClientCertificate().GetCertificateChain())
	require.Equal(t, map[string]string{"client_id": "client_key"}, a.GetDialect().GetFieldNames())
	require.Equal(t, int32(10), a.GetProviderBehavior().GetMintLimit())
	require.Equal(t, 10*time.Minute, a.GetProviderBehavior().GetRotationGrace().AsDuration())
	require.True(t, a.GetRefreshPolicy().GetRevokeSuperseded())
}

func TestParseWarnsOfSecretsInPlainText(t *testing.T) {
	objects, err := manifest.Parse(strings.NewReader(`
kind: Connection
id: a
apiKey: {name: x-api-key, value: s3cret-plain}
invocationParameters:
  query:
    - {key: k, value: s3cret-plain, secret: true}
    - {key: open, value: v}
`), options())
	require.NoError(t, err)
	require.Len(t, objects[0].Warnings, 2)
	require.Contains(t, objects[0].Warnings[0], "shop.yaml:4 (document 1): apiKey.value is a secret in plain text")
	require.Contains(t, objects[0].Warnings[1], "shop.yaml:7 (document 1): invocationParameters.query[0].value is a secret")
	require.NotContains(t, strings.Join(objects[0].Warnings, ""), "s3cret")
}

func TestParseRefuses(t *testing.T) {
	const connection = "kind: Connection\nid: a\n"
	for name, tc := range map[string]struct{ text, want string }{
		"no yaml":             {"kind: [", "shop.yaml (document 1): yaml: "},
		"no mapping":          {"- a", "shop.yaml:1 (document 1): a document is a mapping"},
		"no kind":             {"id: a", "shop.yaml:1 (document 1): kind: missing; one of Connection, Bus, Archive, Destination, Rule"},
		"unknown kind":        {"kind: Token\nid: a", `shop.yaml:1 (document 1): kind: "Token" is none of Connection, Bus`},
		"no name":             {"\nkind: Bus", "shop.yaml:2 (document 1): name: missing: projects/{project}/buses/{bus}"},
		"name and id":         {"kind: Bus\nname: projects/a/buses/b\nid: b", "shop.yaml:3 (document 1): id: name is given already"},
		"name twice":          {"kind: Bus\nid: a\nid: b", "shop.yaml:3 (document 1): id: given twice"},
		"wrong name":          {"kind: Bus\nname: projects/a/rules/b", `name: "projects/a/rules/b" is not of the form projects/{project}/buses/{bus}`},
		"id with slash":       {"kind: Bus\nid: a/b", `shop.yaml:2 (document 1): id: "a/b" is not the last part`},
		"bus of a connection": {connection + "bus: b", "shop.yaml:3 (document 1): bus: only goes with the id of what a bus has"},
		"wrong bus":           {"kind: Rule\nid: a\nbus: x/y", "is not of the form projects/{project}/buses/{bus}/rules/{rule}"},
		"unknown field":       {connection + "oauth2:\n  clientID: x", "shop.yaml:4 (document 1): oauth2.clientID: no such field; there are grantType, "},
		"proto spelling":      {connection + "api_key: {}", "shop.yaml:3 (document 1): api_key: no such field"},
		"server's field":      {connection + "state: AUTHORIZED", "shop.yaml:3 (document 1): state: is set by the server"},
		"etag":                {connection + "etag: x", "etag: is set by the server"},
		"twice":               {connection + "description: a\ndescription: b", "shop.yaml:4 (document 1): description: given twice"},
		"two kinds":           {connection + "basic: {username: u}\napiKey: {name: n}", "shop.yaml:4 (document 1): apiKey: excludes basic"},
		"number for text":     {connection + "description: 7", "shop.yaml:3 (document 1): description: wants text: put it in quotes"},
		"list for text":       {connection + "description: [a]", "description: wants text"},
		"pattern as mapping":  {"kind: Rule\nid: a\neventPattern: {source: [a]}", `eventPattern: wants JSON text: quote it, or write it as a block after "|"`},
		"unknown enum":        {connection + "oauth2: {grantType: IMPLICIT}", "oauth2.grantType: wants one of CLIENT_CREDENTIALS"},
		"unspecified enum":    {connection + "oauth2: {grantType: GRANT_TYPE_UNSPECIFIED}", "oauth2.grantType: wants one of CLIENT_CREDENTIALS"},
		"text for number":     {"kind: Destination\nid: a\nrateLimitPerSecond: fast", "rateLimitPerSecond: wants a whole number"},
		"too large a number":  {"kind: Destination\nid: a\nrateLimitPerSecond: 3000000000", "rateLimitPerSecond: wants a whole number"},
		"no duration":         {"kind: Destination\nid: a\ntimeout: 5", `timeout: "5" is not a duration such as 30s or 1h`},
		"no list":             {"kind: Rule\nid: a\ntargets: {}", "targets: wants a list"},
		"list element":        {"kind: Rule\nid: a\ntargets: [{idd: a}]", "targets[0].idd: no such field"},
		"map key twice":       {"kind: Rule\nid: a\ntargets: [{headerParameters: {a: b, a: c}}]", "targets[0].headerParameters[a]: given twice"},
		"bool":                {connection + "invocationParameters: {query: [{key: k, secret: yes-please}]}", "query[0].secret: wants true or false"},
		"unset variable":      {connection + "apiKey: {value: {valueFrom: {env: NOPE}}}", "apiKey.value: the environment variable NOPE is not set"},
		"empty variable":      {connection + "apiKey: {value: {valueFrom: {env: EMPTY}}}", "apiKey.value: the environment variable EMPTY is not set"},
		"missing file":        {connection + "apiKey: {value: {valueFrom: {file: nope}}}", "apiKey.value: open conf/nope: file does not exist"},
		"empty file":          {connection + "apiKey: {value: {valueFrom: {file: empty}}}", "apiKey.value: the file conf/empty is empty"},
		"unknown source":      {connection + "apiKey: {value: {valueFrom: {vault: x}}}", "apiKey.value: wants text, or {valueFrom: {env: NAME}}"},
		"no secret field":     {connection + "description: {valueFrom: {env: CRM_SECRET}}", "description: wants text"},
		"later document":      {connection + "---\n" + connection + "x: y", "shop.yaml:6 (document 2): x: no such field"},
		"endless alias":       {"kind: Rule\nid: a\ntargets: &a [{headerParameters: *a}]", "wants a mapping"},
	} {
		t.Run(name, func(t *testing.T) {
			objects, err := manifest.Parse(strings.NewReader(tc.text), options())
			require.ErrorContains(t, err, tc.want)
			require.Empty(t, objects)
		})
	}
}

func TestParseReportsEverythingAndNoSecret(t *testing.T) {
	_, err := manifest.Parse(strings.NewReader(`
kind: Connection
id: a
basic: {user: u, password: 12345678}
---
kind: Bus
id: b
nope: 1
`), options())
	require.ErrorContains(t, err, "basic.user: no such field; there are username, password")
	require.ErrorContains(t, err, "basic.password: wants text: put it in quotes")
	require.ErrorContains(t, err, "shop.yaml:8 (document 2): nope")
	require.NotContains(t, err.Error(), "12345678")
}

func TestParseBoundsAliases(t *testing.T) {
	var b strings.Builder
	b.WriteString("kind: Rule\nid: r\ntargets:\n- &t0 {id: a, headerParameters: {x: y}}\n")
	b.WriteString("- pathParameterValues: &p [" + strings.Repeat("a,", 1000) + "a]\n")
	for range 1000 {
		b.WriteString("- {pathParameterValues: *p}\n")
	}
	_, err := manifest.Parse(strings.NewReader(b.String()), options())
	require.ErrorContains(t, err, "more than 200000 values in one manifest")
	require.Less(t, len(err.Error()), 500)
}

func FuzzParse(f *testing.F) {
	f.Add(whole)
	f.Add("kind: Connection\nid: a\napiKey: &k {name: x, value: s}\ninvocationParameters: *k\n")
	f.Add("--- !!set {kind, id}\n---\n? [a]\n: b\n")
	f.Add("kind: Bus\nid: b\n<<: {description: x}\n...\n---\nkind: Rule\nid: r\nbus: x\ntargets: [~, {}]\n")
	f.Fuzz(func(t *testing.T, text string) {
		objects, err := manifest.Parse(strings.NewReader(text), options())
		if err != nil {
			require.Empty(t, objects)
			return
		}
		for _, object := range objects {
			require.Contains(t, []string{"Connection", "Bus", "Archive", "Destination", "Rule", "Schedule", "Webhook"}, object.Kind)
			require.True(t, strings.HasPrefix(object.Name, "projects/"), object.Name)
			require.NotNil(t, object.Message)
			_, err := proto.Marshal(object.Message)
			require.NoError(t, err)
		}
	})
}
