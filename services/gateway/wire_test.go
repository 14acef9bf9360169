package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

// The shapes of DESIGN.md section 4 on the wire, which testdata/answers.txt holds: bare resources, lowerCamelCase, int64 as text, enums by
// name, durations as "60s". The shapes of requests are in testdata/calls.txt.

func at(second int) *timestamppb.Timestamp {
	return timestamppb.New(time.Date(2026, 1, 2, 3, 4, second, 0, time.UTC))
}

func wireToken() *tokenv1.Token {
	return &tokenv1.Token{
		Name: "projects/default/connections/crm/token", Generation: 9007199254740993, State: tokenv1.Token_AUTHORIZED,
		AccessToken: "at-3", TokenType: "Bearer", Scopes: []string{"orders.write"},
		IssueTime: at(0), ExpireTime: at(5), NextRefreshTime: at(3), ExpirySource: tokenv1.Token_EXPIRES_IN,
		RefreshHealth: &tokenv1.RefreshHealth{Status: tokenv1.RefreshHealth_HEALTHY},
		Credential:    &tokenv1.HttpCredential{Headers: []*tokenv1.HttpCredentialField{{Key: "Authorization", Value: "Bearer at-3"}}},
	}
}

func wireConnection() *connectionv1.Connection {
	return &connectionv1.Connection{
		Name: "projects/default/connections/crm",
		Authorization: &connectionv1.Connection_Oauth2{Oauth2: &connectionv1.OAuth2Authorization{
			GrantType: connectionv1.OAuth2Authorization_CLIENT_CREDENTIALS, TokenEndpoint: "https://as.example/token?a=1&b=<2>", ClientId: "me",
			ClientAuthentication: connectionv1.OAuth2Authorization_CLIENT_SECRET_BASIC, Scopes: []string{"orders.write"}, Audience: "https://api.example",
			TokenParameters: &connectionv1.HttpParameters{Body: []*connectionv1.HttpParameter{{Key: "resource", Value: "r"}}},
		}},
		InvocationParameters: &connectionv1.HttpParameters{Headers: []*connectionv1.HttpParameter{{Key: "x-tenant", Value: "7"}}},
		State:                connectionv1.Connection_DEAUTHORIZED, StateReason: errorsv1.Reason_CLIENT_BROKEN, CreateTime: at(0), Etag: "e1",
	}
}

func wireDelivery() *deliveryv1.Delivery {
	return &deliveryv1.Delivery{
		Name: "projects/default/deliveries/01JZZZZZZZZZZZZZZZZZZZZZZZ", State: deliveryv1.Delivery_DEAD, Target: "t1",
		Event:        &deliveryv1.Event{Id: "e", Source: "shop", DetailType: "OrderCompleted", Detail: `{"id":1.50,"n":12345678901234567890}`, Time: at(0)},
		AttemptCount: 1, ErrorCode: deliveryv1.Delivery_ERROR_FROM_TARGET,
		Attempts: []*deliveryv1.Attempt{{
			Number: 1, StartTime: at(1), Duration: durationpb.New(1500 * time.Millisecond), StatusCode: 500,
			ErrorClass: deliveryv1.Attempt_RETRYABLE_STATUS, TokenGeneration: 3,
		}},
	}
}

func TestAnswersOnTheWire(t *testing.T) {
	overEachProtocol(t, func(t *testing.T, f *fixture) {
		answers := map[string]proto.Message{
			"ConnectionService.GetConnection":    &connectionv1.GetConnectionResponse{Connection: wireConnection()},
			"ConnectionService.DeleteConnection": &connectionv1.DeleteConnectionResponse{Connection: &connectionv1.Connection{State: connectionv1.Connection_DELETING}},
			"ConnectionService.ListConnections":  &connectionv1.ListConnectionsResponse{},
			"ConnectionService.TestConnection": &connectionv1.TestConnectionResponse{Steps: []*connectionv1.TestStep{
				{Kind: connectionv1.TestStep_DNS, Outcome: connectionv1.TestStep_FAILED, Message: "no such host", Reason: errorsv1.Reason_NOT_SENT},
			}},
			"TokenService.GetToken":          &tokenv1.GetTokenResponse{Token: wireToken()},
			"TokenService.ReportRejected":    &tokenv1.ReportRejectedResponse{Generation: 4},
			"DeliveryService.GetDelivery":    &deliveryv1.GetDeliveryResponse{Delivery: wireDelivery()},
			"DeliveryService.ListDeliveries": &deliveryv1.ListDeliveriesResponse{Deliveries: []*deliveryv1.Delivery{{Name: "a"}, {Name: "b"}}, NextPageToken: "next"},
			"DeliveryService.PutEvents": &deliveryv1.PutEventsResponse{
				FailedEntryCount: proto.Int32(0), Entries: []*deliveryv1.PutEventsResultEntry{{EventId: "01JZZZZZZZZZZZZZZZZZZZZZZZ"}},
			},
			"DeliveryService.DeleteBus": &deliveryv1.DeleteBusResponse{},
			"DeliveryService.GetDestination": &deliveryv1.GetDestinationResponse{Destination: &deliveryv1.Destination{
				Connection: "projects/default/connections/crm", Endpoint: "https://api.example/orders/*", HttpMethod: deliveryv1.Destination_PATCH,
				RateLimitPerSecond: 50, Timeout: durationpb.New(5 * time.Second),
			}},
			"DeliveryService.GetRule": &deliveryv1.GetRuleResponse{Rule: &deliveryv1.Rule{
				EventPattern: `{"source":["shop"]}`,
				Targets: []*deliveryv1.Target{{
					Id: "t1", Destination: "projects/default/destinations/orders", PathParameterValues: []string{"$.detail.id"}, InputPath: "$.detail",
					RetryPolicy: &deliveryv1.RetryPolicy{MaximumRetryAttempts: proto.Int32(10), MaximumEventAge: durationpb.New(time.Hour)},
				}},
			}},
		}
		for method, message := range answers {
			f.answer(method, message, nil)
		}
		f.watch(func(_ *tokenv1.WatchTokenRequest, stream grpc.ServerStream) error {
			return stream.SendMsg(&tokenv1.WatchTokenResponse{Token: wireToken()})
		})
		var wire strings.Builder
		for _, target := range []string{
			"GET " + connection, "DELETE " + connection, "GET " + connections, "POST " + connection + ":test",
			"GET " + connection + "/token", "GET " + watch, "POST " + connection + "/token:reportRejected",
			"GET /v1/projects/default/deliveries/01JZZZZZZZZZZZZZZZZZZZZZZZ", "GET /v1/projects/default/deliveries", "POST " + putEvents,
			"DELETE /v1/projects/default/buses/orders", "GET /v1/projects/default/destinations/orders", "GET /v1/projects/default/buses/orders/rules/r1",
		} {
			method, path, _ := strings.Cut(target, " ")
			body := ""
			if strings.HasSuffix(path, ":reportRejected") {
				body = bodies["TokenService.ReportRejected"]
			}
			got := f.do(method, path, body)
			require.Equal(t, http.StatusOK, got.status, got.body)
			_, _ = fmt.Fprintf(&wire, "%s\n%s\n\n", target, indentJSON(t, []byte(got.body)))
		}
		requireGolden(t, "answers.txt", wire.String())
	})
}
