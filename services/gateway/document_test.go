package gateway_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/freshet-io/freshet/gen/openapi"
)

var update = flag.Bool("update", false, "write testdata anew")

// document is as much of the OpenAPI document as says what is served.
type document struct {
	Paths map[string]map[string]struct {
		OperationID string `json:"operationId"`
		Parameters  []struct{ Name, In string }
		RequestBody *struct{} `json:"requestBody"`
	}
}

func readDocument(t *testing.T) document {
	var doc document
	require.NoError(t, json.Unmarshal(openapi.Document, &doc))
	require.NotEmpty(t, doc.Paths)
	return doc
}

// samples are values of path and query parameters, by name.
var samples = map[string]string{
	"project": "default", "connection": "crm", "webhook": "h1", "webhookId": "h1", "grant": "ada", "grantId": "ada", "endUserId": "ada", "skipRevocation": "true", "bus": "orders", "rule": "r1", "destination": "shop",
	"provider": "google", "schedule": "s1", "interface": "photos", "interfaceId": "photos", "mapping": "alpha",
	"authorizationSession": "01JZZZZZZZZZZZZZZZZZZZZZZZ",
	"?connection":          "projects/default/connections/crm",
	"delivery":             "01JZZZZZZZZZZZZZZZZZZZZZZZ",
	"signingKey":           "01JZZZZZZZZZZZZZZZZZZZZZZZ",
	"connectionId":         "crm", "busId": "orders", "archive": "a1", "archiveId": "a1", "ruleId": "r1", "destinationId": "shop", "scheduleId": "s1",
	"replay": "r1", "replayId": "r1", "redrive": "r2", "redriveId": "r2", "startTime": "2026-01-02T03:04:05Z", "startEventsPerSecond": "50",
	"pageSize": "7", "pageToken": "next", "filter": "state=DEAD", "state": "AUTHORIZED", "etag": "e1", "validateOnly": "true",
	"updateMask": "description", "expireBefore": "2026-01-02T03:04:05Z", "resource": "projects/default/connections/crm", "statusClass": "CLIENT_ERROR", "endTime": "2026-01-03T03:04:05Z", "grantJob": "j1", "grantJobId": "j1", "minTtl": "60s", "heartbeatInterval": "5s",
}

const (
	connectionBody = `{"oauth2":{"grantType":"CLIENT_CREDENTIALS","tokenEndpoint":"https://as.example/token","clientId":"me","clientSecret":"s3cret",
		"clientAuthentication":"CLIENT_SECRET_BASIC","scopes":["orders.write"],"audience":"https://api.example",
		"tokenParameters":{"body":[{"key":"resource","value":"r"}]}},"invocationParameters":{"headers":[{"key":"x-tenant","value":"7"}]}}`
	grantBody = `{"endUserId":"ada","metadata":{"plan":"pro"},"credential":{"refreshToken":"r-1","accessToken":"a-1",
		"accessTokenExpireTime":"2026-01-02T03:04:05Z","scopes":["photos.read"]}}`
	ruleBody = `{"eventPattern":"{\"source\":[\"shop\"]}","targets":[{"id":"t1","destination":"projects/default/destinations/orders",
		"pathParameterValues":["$.detail.id"],"inputPath":"$.detail","retryPolicy":{"maximumRetryAttempts":10,"maximumEventAge":"3600s"}}]}`
	destinationBody = `{"connection":"projects/default/connections/crm","endpoint":"https://api.example/orders/*","httpMethod":"PATCH",
		"rateLimitPerSecond":50,"timeout":"5s"}`
	scheduleBody = `{"expression":"cron(0 9 ? * MON-FRI *)","timeZone":"Europe/Berlin","startTime":"2026-01-02T03:04:05Z","missedRuns":"SKIP",
		"event":{"source":"clock","detailType":"Morning","detail":"{\"at\":\"<scheduled-time>\"}"}}`
)

// bodies are requests in the shapes of DESIGN.md section 4, by method; methods that are not here get none.
var bodies = map[string]string{
	"ConnectionService.CreateConnection": connectionBody,
	"ConnectionService.UpdateConnection": connectionBody,
	"GrantService.CreateGrant":           grantBody,
	"GrantService.UpdateGrant":           grantBody,
	"GrantService.RevokeGrant":           `{}`,
	"GrantJobService.CreateGrantJob":     `{"action":"REVOKE","grantState":"DEAUTHORIZED","expireBefore":"2026-01-02T03:04:05Z"}`,
	"GrantJobService.CancelGrantJob":     `{}`,
	"EndUserService.EraseEndUser":        `{"endUserId":"ada"}`,
	"InterfaceService.CreateInterface":   `{"definition":"{}"}`,
	"InterfaceService.UpdateInterface":   `{"description":"photos"}`,
	"InterfaceService.LintInterface":     `{"definition":"{}"}`,
	"InterfaceService.DryRunInterface":   `{"interface":"photos","mapping":"alpha","operation":"listPhotos","answer":{"status":200,"body":"{}"}}`,
	"CallService.Call":                   `{"interface":"photos","operation":"listPhotos","input":"{\"album\":\"sea\"}","allPages":true}`,
	"ConnectService.StartAuthorization":  `{"grantId":"ada","returnUrl":"https://shop.example/","authorizationParameters":{"prompt":"login"},"skipPage":true}`,
	"ReplayService.CreateReplay":         `{"source":"projects/default/buses/orders/archives/a1","startTime":"2026-01-02T03:04:05Z","endTime":"2026-01-03T03:04:05Z"}`,
	"RedriveService.CreateRedrive":       `{"filter":"error_code=TIMEOUT","deliveriesPerSecond":50}`,
	"RedriveService.PauseRedrive":        `{}`, "RedriveService.ResumeRedrive": `{}`, "RedriveService.CancelRedrive": `{}`,
	"ReplayService.CancelReplay":        `{}`,
	"ArchiveService.CreateArchive":      `{"eventPattern":"{\"source\":[\"shop\"]}","retentionDays":30}`,
	"ArchiveService.UpdateArchive":      `{"state":"DISABLED"}`,
	"DeliveryService.CreateBus":         `{"description":"orders"}`,
	"DeliveryService.UpdateBus":         `{"description":"orders"}`,
	"DeliveryService.CreateRule":        ruleBody,
	"DeliveryService.UpdateRule":        ruleBody,
	"DeliveryService.CreateDestination": destinationBody,
	"DeliveryService.UpdateDestination": destinationBody,
	"ScheduleService.CreateSchedule":    scheduleBody,
	"ScheduleService.UpdateSchedule":    scheduleBody,
	"DeliveryService.PutEvents":         `{"entries":[{"source":"shop","detailType":"OrderCompleted","detail":"{\"id\":\"7\"}","time":"2026-01-02T03:04:05Z"}]}`,
	"DeliveryService.RedriveDeliveries": `{"filter":"state=DEAD","maxCount":5,"validateOnly":true}`,
	"DpopService.CreateDpopProof": `{"httpMethod":"GET","url":"https://api.example/orders/7","nonce":"n-1",
		"fingerprint":"0123456789abcdef0123456789abcdef"}`,
	"TokenService.ReportRejected":     `{"fingerprint":"0123456789abcdef0123456789abcdef"}`,
	"TokenService.SimulateExpiry":     `{"expireIn":"60s"}`,
	"DeliveryService.RedriveDelivery": `{}`,

	"DestinationControlService.PauseDestination":  `{"reason":"moving"}`,
	"Oauth1Service.SignRequest":                   `{"httpMethod":"POST","url":"https://api.example/orders?x=1","form":"a=b","fingerprint":"0123456789abcdef0123456789abcdef"}`,
	"DestinationControlService.ResumeDestination": `{}`,
	"SigningKeyService.CreateSigningKey":          `{"algorithm":"HMAC_SHA256","secret":"whsec_x","retireOthersAfter":"3600s"}`,
	"WebhookService.CreateWebhook":                `{"signature":{"scheme":"HMAC","secret":"12345678","header":"x-sig","timestampTolerance":"60s"},"detailType":"$.body.type"}`,
	"WebhookService.UpdateWebhook":                `{"keptHeaders":["x-kind"]}`,
	"PatternService.TestEventPattern":             `{"eventPattern":"{\"source\":[\"shop\"]}","event":"{\"id\":\"1\"}"}`,
	"PatternService.ExplainEventPattern":          `{"eventPattern":"{\"source\":[\"shop\"]}","event":"{}"}`,
}

var pathParameter = regexp.MustCompile(`\{(\w+)\}`)

// TestDocument calls every operation of the OpenAPI document with all of its parameters, and compares the calls that reach the services
// with testdata/calls.txt. TestRoutesAreTheDocument proves the other direction.
func TestDocument(t *testing.T) {
	overEachProtocol(t, func(t *testing.T, f *fixture) {
		var calls strings.Builder
		doc := readDocument(t)
		for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
			for _, method := range slices.Sorted(maps.Keys(doc.Paths[path])) {
				operation := doc.Paths[path][method]
				name := operationMethod(operation.OperationID)
				target := pathParameter.ReplaceAllStringFunc(path, func(text string) string {
					require.Contains(t, samples, strings.Trim(text, "{}"))
					return samples[strings.Trim(text, "{}")]
				})
				separator := "?"
				for _, parameter := range operation.Parameters {
					if parameter.In == "query" {
						sample, ok := samples["?"+parameter.Name] // where the path has one of that name too
						if !ok {
							require.Contains(t, samples, parameter.Name)
							sample = samples[parameter.Name]
						}
						target += separator + parameter.Name + "=" + sample
						separator = "&"
					}
				}
				body := ""
				if operation.RequestBody != nil {
					body = bodies[name]
				}
				got := f.do(strings.ToUpper(method), target, body)
				require.Equal(t, http.StatusOK, got.status, "%s %s: %s", method, path, got.body)
				received := f.take(t)
				require.Equal(t, name, received.method, "%s %s", method, path)
				_, _ = fmt.Fprintf(&calls, "%s %s\n%s %s\n\n", strings.ToUpper(method), target, received.method, indented(t, received.request))
			}
		}
		requireGolden(t, "calls.txt", calls.String())
	})
}

// indented is a message as JSON whose form does not vary, with the names of the contract.
func indented(t *testing.T, message proto.Message) string {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(message)
	require.NoError(t, err)
	return indentJSON(t, text)
}

func indentJSON(t *testing.T, text []byte) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, json.Indent(&out, text, "", "  "), string(text))
	return out.String()
}

func requireGolden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile("testdata/"+name, []byte(got), 0o644))
	}
	want, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}
