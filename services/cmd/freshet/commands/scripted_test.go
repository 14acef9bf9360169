package commands

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
	"github.com/freshet-io/freshet/services/internal/rpcserver"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(start.Add(d)) }

// scripted answers with fixed messages over the suite's own server, and records what it is asked.
type scripted struct {
	connectionv1.UnimplementedConnectionServiceServer
	connectionv1.UnimplementedProviderServiceServer
	deliveryv1.UnimplementedDeliveryServiceServer
	deliveryv1.UnimplementedScheduleServiceServer
	deliveryv1.UnimplementedArchiveServiceServer
	deliveryv1.UnimplementedReplayServiceServer
	deliveryv1.UnimplementedRedriveServiceServer
	deliveryv1.UnimplementedWebhookServiceServer
	tokenv1.UnimplementedTokenServiceServer
	tokenv1.UnimplementedDpopServiceServer
	tokenv1.UnimplementedLearningServiceServer

	addr, keyFile string
	mu            sync.Mutex
	requests      []string
}

func newScripted(t *testing.T) *scripted {
	t.Helper()
	s := &scripted{keyFile: filepath.Join(t.TempDir(), "admin.key")}
	hash, _, err := authn.LoadOrCreateAdminKey(s.keyFile)
	require.NoError(t, err)
	server, err := rpcserver.New(rpcserver.Config{Logger: slog.New(slog.DiscardHandler), Authenticator: authn.New(hash, nil)})
	require.NoError(t, err)
	connectionv1.RegisterConnectionServiceServer(server, s)
	connectionv1.RegisterProviderServiceServer(server, s)
	deliveryv1.RegisterDeliveryServiceServer(server, s)
	deliveryv1.RegisterScheduleServiceServer(server, s)
	deliveryv1.RegisterArchiveServiceServer(server, s)
	deliveryv1.RegisterReplayServiceServer(server, s)
	deliveryv1.RegisterRedriveServiceServer(server, s)
	deliveryv1.RegisterWebhookServiceServer(server, s)
	tokenv1.RegisterTokenServiceServer(server, s)
	tokenv1.RegisterDpopServiceServer(server, s)
	tokenv1.RegisterLearningServiceServer(server, s)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.addr = listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-served)
	})
	return s
}

func (s *scripted) record(m proto.Message) {
	text, err := compactJSON(m)
	if err != nil {
		text = []byte(err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, fmt.Sprintf("%s %s", m.ProtoReflect().Descriptor().Name(), text))
}

func (s *scripted) recorded() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := strings.Join(s.requests, "\n")
	s.requests = nil
	return text
}

func crm() *connectionv1.Connection {
	return &connectionv1.Connection{
		Name: "projects/default/connections/crm", Uid: "01JN", Description: "The CRM",
		Authorization: &connectionv1.Connection_Oauth2{Oauth2: &connectionv1.OAuth2Authorization{
			GrantType: connectionv1.OAuth2Authorization_CLIENT_CREDENTIALS, TokenEndpoint: "https://as.example/token", ClientId: "shop",
			ClientAuthentication: connectionv1.OAuth2Authorization_CLIENT_SECRET_BASIC, Scopes: []string{"orders.write", "orders.read"},
		}},
		InvocationParameters: &connectionv1.HttpParameters{
			Headers: []*connectionv1.HttpParameter{{Key: "x-tenant", Value: "7"}, {Key: "x-key", Secret: true}},
		},
		State: connectionv1.Connection_AUTHORIZED, CreateTime: at(-50 * time.Hour), UpdateTime: at(-3 * time.Hour), StateTime: at(-90 * time.Second),
		AuthorizeTime: at(-90 * time.Second), Etag: "e1",
	}
}

func legacy() *connectionv1.Connection {
	return &connectionv1.Connection{
		Name:          "projects/default/connections/legacy",
		Authorization: &connectionv1.Connection_ApiKey{ApiKey: &connectionv1.ApiKeyAuthorization{Name: "x-api-key"}},
		State:         connectionv1.Connection_DEAUTHORIZED, StateReason: errorsv1.Reason_DEAUTHORIZED,
		StateMessage: "by \x1b[31madmin", StateTime: at(-25 * time.Hour), Etag: "e2",
	}
}

func (s *scripted) ListConnections(_ context.Context, r *connectionv1.ListConnectionsRequest) (*connectionv1.ListConnectionsResponse, error) {
	s.record(r)
	switch {
	case r.GetParent() == "projects/empty":
		return &connectionv1.ListConnectionsResponse{}, nil
	case r.GetPageToken() == "":
		return &connectionv1.ListConnectionsResponse{Connections: []*connectionv1.Connection{crm()}, NextPageToken: "more"}, nil
	default:
		return &connectionv1.ListConnectionsResponse{Connections: []*connectionv1.Connection{legacy()}}, nil
	}
}

func (s *scripted) GetConnection(_ context.Context, r *connectionv1.GetConnectionRequest) (*connectionv1.GetConnectionResponse, error) {
	s.record(r)
	switch r.GetName() {
	case crm().GetName():
		return &connectionv1.GetConnectionResponse{Connection: crm()}, nil
	case legacy().GetName():
		return &connectionv1.GetConnectionResponse{Connection: legacy()}, nil
	default:
		return nil, rpcerr.New(codes.NotFound, errorsv1.Reason_CONNECTION_NOT_FOUND, "there is no connection %s", r.GetName())
	}
}

func (s *scripted) AuthorizeConnection(_ context.Context, r *connectionv1.AuthorizeConnectionRequest) (*connectionv1.AuthorizeConnectionResponse, error) {
	s.record(r)
	return &connectionv1.AuthorizeConnectionResponse{Connection: legacy()}, nil
}

func (s *scripted) DeauthorizeConnection(_ context.Context, r *connectionv1.DeauthorizeConnectionRequest) (*connectionv1.DeauthorizeConnectionResponse, error) {
	s.record(r)
	return &connectionv1.DeauthorizeConnectionResponse{Connection: legacy()}, nil
}

func (s *scripted) DeleteConnection(_ context.Context, r *connectionv1.DeleteConnectionRequest) (*connectionv1.DeleteConnectionResponse, error) {
	s.record(r)
	return nil, rpcerr.New(codes.Aborted, errorsv1.Reason_ETAG_MISMATCH, "%s was changed meanwhile", r.GetName())
}

func (s *scripted) TestConnection(_ context.Context, r *connectionv1.TestConnectionRequest) (*connectionv1.TestConnectionResponse, error) {
	s.record(r)
	step := func(kind connectionv1.TestStep_Kind, outcome connectionv1.TestStep_Outcome, took time.Duration, message string) *connectionv1.TestStep {
		return &connectionv1.TestStep{Kind: kind, Outcome: outcome, Duration: durationpb.New(took), Message: message}
	}
	answer := &connectionv1.TestConnectionResponse{Ok: true, Steps: []*connectionv1.TestStep{
		step(connectionv1.TestStep_SETTINGS, connectionv1.TestStep_OK, 0, "complete"),
		step(connectionv1.TestStep_DNS, connectionv1.TestStep_OK, 1234567, "as.example is 192.0.2.7"),
	}}
	if r.GetName() != crm().GetName() {
		failed := step(connectionv1.TestStep_TCP, connectionv1.TestStep_FAILED, 2*time.Second, "connection refused")
		failed.Reason = errorsv1.Reason_NOT_SENT
		answer.Ok = false
		answer.Steps = append(answer.Steps, failed, &connectionv1.TestStep{Kind: connectionv1.TestStep_TLS, Outcome: connectionv1.TestStep_SKIPPED})
	}
	return answer, nil
}

func token(generation int64) *tokenv1.Token {
	return &tokenv1.Token{
		Name: "projects/default/connections/crm/token", Generation: generation, State: tokenv1.Token_AUTHORIZED,
		AccessToken: "s3cret-token", TokenType: "Bearer", Scopes: []string{"orders.write"},
		IssueTime: at(-4 * time.Second), ExpireTime: at(3*time.Minute + 12*time.Second), ExpirySource: tokenv1.Token_EXPIRES_IN,
		NextRefreshTime: at(96 * time.Second), Fingerprint: "0123456789abcdef0123456789abcdef",
		RefreshHealth: &tokenv1.RefreshHealth{Status: tokenv1.RefreshHealth_DEGRADED, ConsecutiveFailures: 1, LastFailureMessage: "503", NextAttemptTime: at(2 * time.Second)},
		Credential:    &tokenv1.HttpCredential{Headers: []*tokenv1.HttpCredentialField{{Key: "Authorization", Value: "Bearer s3cret-token"}}},
	}
}

func (s *scripted) GetToken(_ context.Context, r *tokenv1.GetTokenRequest) (*tokenv1.GetTokenResponse, error) {
	s.record(r)
	if r.GetName() != token(1).GetName() {
		return nil, rpcerr.New(codes.FailedPrecondition, errorsv1.Reason_CLIENT_BROKEN, "the authorization server said invalid_client")
	}
	return &tokenv1.GetTokenResponse{Token: token(3)}, nil
}

func (s *scripted) RefreshToken(ctx context.Context, r *tokenv1.RefreshTokenRequest) (*tokenv1.RefreshTokenResponse, error) {
	s.record(r)
	if r.GetName() != token(1).GetName() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &tokenv1.RefreshTokenResponse{Token: token(4)}, nil
}

func (s *scripted) WatchToken(r *tokenv1.WatchTokenRequest, stream grpc.ServerStreamingServer[tokenv1.WatchTokenResponse]) error {
	s.record(r)
	gone := &tokenv1.Token{Name: token(1).GetName(), Generation: 4, State: tokenv1.Token_DEAUTHORIZED, StateReason: errorsv1.Reason_GRANT_DEAD, StateMessage: "invalid_grant"}
	for _, message := range []*tokenv1.WatchTokenResponse{{Token: token(3)}, {Token: token(3), Heartbeat: true}, {Token: token(4)}, {Token: gone}} {
		if err := stream.Send(message); err != nil {
			return err
		}
	}
	return rpcerr.New(codes.NotFound, errorsv1.Reason_TOKEN_NOT_FOUND, "the connection was deleted")
}

func (s *scripted) ListRotations(_ context.Context, r *tokenv1.ListRotationsRequest) (*tokenv1.ListRotationsResponse, error) {
	s.record(r)
	return &tokenv1.ListRotationsResponse{Rotations: []*tokenv1.Rotation{
		{
			Name: r.GetParent() + "/rotations/2", Generation: 3, State: tokenv1.Rotation_FAILED, Trigger: tokenv1.Rotation_SCHEDULE, StartTime: at(-5 * time.Second),
			EndTime: at(-4 * time.Second), FailureClass: tokenv1.FailureClass_THROTTLED, FailureMessage: "slow down", HttpStatus: 429,
		},
		{
			Name: r.GetParent() + "/rotations/1", Generation: 2, State: tokenv1.Rotation_COMMITTED, Trigger: tokenv1.Rotation_AUTHORIZE, StartTime: at(-time.Hour),
			EndTime: at(-time.Hour + 80*time.Millisecond), LeadTime: durationpb.New(62500 * time.Millisecond), HttpStatus: 200,
		},
	}, NextPageToken: "more"}, nil
}

func (s *scripted) CreateDpopProof(_ context.Context, r *tokenv1.CreateDpopProofRequest) (*tokenv1.CreateDpopProofResponse, error) {
	s.record(r)
	return &tokenv1.CreateDpopProofResponse{Proof: "e30.e30.c2ln", Generation: 3, Fingerprint: token(3).GetFingerprint()}, nil
}

func (s *scripted) PutEvents(_ context.Context, r *deliveryv1.PutEventsRequest) (*deliveryv1.PutEventsResponse, error) {
	s.record(r)
	answer := &deliveryv1.PutEventsResponse{FailedEntryCount: proto.Int32(0)}
	for i, entry := range r.GetEntries() {
		result := &deliveryv1.PutEventsResultEntry{EventId: fmt.Sprintf("01JNEVENT%d", i)}
		if strings.HasPrefix(entry.GetSource(), "freshet.") {
			result = &deliveryv1.PutEventsResultEntry{ErrorCode: "NotAuthorizedForSourceException", ErrorMessage: "source: freshet. is the suite's own"}
			answer.FailedEntryCount = new(answer.GetFailedEntryCount() + 1)
		}
		answer.Entries = append(answer.Entries, result)
	}
	return answer, nil
}

const dead = "projects/default/deliveries/01JNQ4Y5Z6A7B8C9D0E1F2G3H4"

func delivery(full bool) *deliveryv1.Delivery {
	d := &deliveryv1.Delivery{
		Name: dead, State: deliveryv1.Delivery_DEAD,
		Event: &deliveryv1.Event{Id: "01JNEVENT0", Bus: "projects/default/buses/default", Source: "shop", DetailType: "OrderCompleted", Detail: `{"id":"7"}`},
		Rule:  "projects/default/buses/default/rules/completed", Target: "t1", Destination: "projects/default/destinations/orders",
		AttemptCount: 2, RetryCount: 1, CreateTime: at(-2 * time.Hour), EndTime: at(-time.Hour), ExpireTime: at(22 * time.Hour),
		ErrorCode: deliveryv1.Delivery_ERROR_FROM_TARGET, ErrorMessage: "404", RedriveCount: 1,
	}
	if full {
		d.Payload = `{"id":"7"}`
		d.Attempts = []*deliveryv1.Attempt{
			{Number: 1, StartTime: at(-2 * time.Hour), Duration: durationpb.New(5 * time.Second), ErrorClass: deliveryv1.Attempt_TIMED_OUT, TokenGeneration: 2},
			{
				Number: 2, StartTime: at(-time.Hour), Duration: durationpb.New(31 * time.Millisecond), StatusCode: 404, ErrorClass: deliveryv1.Attempt_PERMANENT_STATUS,
				ErrorMessage:    "the destination answered 404 Not Found: no\nsuch\x1b[2J order",
				ResponseExcerpt: "no\nsuch\x1b[2J order", TokenGeneration: 3,
				ConnectDuration: durationpb.New(2 * time.Millisecond), FirstByteDuration: durationpb.New(30 * time.Millisecond),
			},
		}
	}
	return d
}

func (s *scripted) ListDeliveries(_ context.Context, r *deliveryv1.ListDeliveriesRequest) (*deliveryv1.ListDeliveriesResponse, error) {
	s.record(r)
	pending := &deliveryv1.Delivery{
		Name: dead[:len(dead)-1] + "5", State: deliveryv1.Delivery_PENDING, CreateTime: at(-3 * time.Second), NextAttemptTime: at(2 * time.Second),
		AttemptCount: 1, Destination: "projects/default/destinations/orders", Event: &deliveryv1.Event{DetailType: "OrderCompleted"},
	}
	return &deliveryv1.ListDeliveriesResponse{Deliveries: []*deliveryv1.Delivery{pending, delivery(false)}[:min(2, r.GetPageSize())], NextPageToken: "more"}, nil
}

func (s *scripted) GetDelivery(_ context.Context, r *deliveryv1.GetDeliveryRequest) (*deliveryv1.GetDeliveryResponse, error) {
	s.record(r)
	return &deliveryv1.GetDeliveryResponse{Delivery: delivery(true)}, nil
}

func (s *scripted) RedriveDelivery(_ context.Context, r *deliveryv1.RedriveDeliveryRequest) (*deliveryv1.RedriveDeliveryResponse, error) {
	s.record(r)
	if r.GetName() != dead {
		return nil, rpcerr.New(codes.FailedPrecondition, errorsv1.Reason_STATE_CONFLICT, "%s has not ended", r.GetName())
	}
	d := delivery(false)
	d.State = deliveryv1.Delivery_PENDING
	return &deliveryv1.RedriveDeliveryResponse{Delivery: d}, nil
}

func (s *scripted) RedriveDeliveries(_ context.Context, r *deliveryv1.RedriveDeliveriesRequest) (*deliveryv1.RedriveDeliveriesResponse, error) {
	s.record(r)
	return &deliveryv1.RedriveDeliveriesResponse{RedrivenCount: proto.Int32(2)}, nil
}
