package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/bench/child"
	"github.com/freshet-io/freshet/services/bench/issuer"
	"github.com/freshet-io/freshet/services/bench/sink"
)

const (
	connectionID = "bench"
	busID        = "bench"
	source       = "bench"
	pausedID     = "paused"

	// maxDestinations is how many destinations there can be.
	maxDestinations = 64

	readyWithin = 30 * time.Second
	// tokenAgain is how soon a token that is not there yet is asked for again.
	tokenAgain = 10 * time.Millisecond
)

// startSink starts the sink and returns its configuration too, which has the credentials that it accepts.
func (r *run) startSink(config sink.Config) (*child.Process, *sink.Client, error) {
	addrs := map[string]string{}
	p, err := r.start(child.Command{Name: "sink", Args: []string{"bench", "sink"}, Config: config, Ready: child.Addresses(addrs)})
	if err != nil {
		return nil, nil, err
	}
	return p, sink.NewClient(addrs), nil
}

// suite is the suite's API and the project of the run: one of its own, as a PostgreSQL database may have seen other runs.
type suite struct {
	conn    *grpc.ClientConn
	project string
}

func openSuite(s *server) (*suite, error) {
	conn, err := dial(s.grpcAddr, s.key)
	if err != nil {
		return nil, err
	}
	return &suite{conn: conn, project: "projects/bench-" + strings.ToLower(rand.Text())}, nil
}

func (s *suite) connection() string { return s.project + "/connections/" + connectionID }
func (s *suite) token() string      { return s.connection() + "/token" }
func (s *suite) bus() string        { return s.project + "/buses/" + busID }

// connect makes the connection and waits until it has a credential.
func (s *suite) connect(ctx context.Context, config sink.Config, tokenEndpoint string) error {
	connection := &connectionv1.Connection{}
	if config.APIKey != "" {
		connection.Authorization = &connectionv1.Connection_ApiKey{ApiKey: &connectionv1.ApiKeyAuthorization{
			Name: sink.KeyHeader, Value: config.APIKey,
		}}
	} else {
		connection.Authorization = &connectionv1.Connection_Oauth2{Oauth2: &connectionv1.OAuth2Authorization{
			GrantType: connectionv1.OAuth2Authorization_CLIENT_CREDENTIALS, TokenEndpoint: tokenEndpoint,
			ClientId: config.ClientID, ClientSecret: config.ClientSecret,
		}}
	}
	return s.create(ctx, connection)
}

// connectAPI makes a connection with an API key, whose API is at a URL.
func (s *suite) connectAPI(ctx context.Context, key, url string) error {
	return s.create(ctx, &connectionv1.Connection{
		ApiBaseUrl: url,
		Authorization: &connectionv1.Connection_ApiKey{ApiKey: &connectionv1.ApiKeyAuthorization{
			Name: sink.KeyHeader, Value: key,
		}},
	})
}

// connectGrant makes a connection with the issuer's first refresh token and waits until it has a credential. Of an idempotent provider
// the suite keeps the connections.
func (s *suite) connectGrant(ctx context.Context, config issuer.Config, tokenEndpoint string, idempotent bool) error {
	oauth2 := &connectionv1.OAuth2Authorization{
		GrantType: connectionv1.OAuth2Authorization_REFRESH_TOKEN, TokenEndpoint: tokenEndpoint,
		ClientId: config.ClientID, ClientSecret: config.ClientSecret, RefreshToken: issuer.Grant(0, 0),
		RefreshPolicy: &connectionv1.RefreshPolicy{Mode: connectionv1.RefreshPolicy_ALWAYS}, // also the grants' under it, which nobody watches
	}
	if idempotent {
		oauth2.ProviderBehavior = &connectionv1.ProviderBehavior{RotationRecovery: connectionv1.ProviderBehavior_IDEMPOTENT}
	}
	return s.create(ctx, &connectionv1.Connection{Authorization: &connectionv1.Connection_Oauth2{Oauth2: oauth2}})
}

func (s *suite) create(ctx context.Context, connection *connectionv1.Connection) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	_, err := connectionv1.NewConnectionServiceClient(s.conn).CreateConnection(ctx, &connectionv1.CreateConnectionRequest{
		Parent: s.project, ConnectionId: connectionID, Connection: connection,
	})
	if err != nil {
		return fmt.Errorf("create the connection: %w", err)
	}
	for {
		err := s.awaitToken(ctx)
		if status.Code(err) != codes.NotFound {
			return err
		}
		select { // the token follows its connection
		case <-time.After(tokenAgain):
		case <-ctx.Done():
			return err
		}
	}
}

// awaitToken returns when the connection has a credential.
func (s *suite) awaitToken(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := tokenv1.NewTokenServiceClient(s.conn).WatchToken(ctx, &tokenv1.WatchTokenRequest{Name: s.token()})
	if err != nil {
		return fmt.Errorf("watch the token: %w", err)
	}
	for {
		message, err := stream.Recv()
		if err != nil {
			return fmt.Errorf("wait for the credential: %w", err)
		}
		switch token := message.GetToken(); token.GetState() {
		case tokenv1.Token_AUTHORIZED:
			return nil
		case tokenv1.Token_DEAUTHORIZED:
			return fmt.Errorf("no credential: %s: %s", token.GetStateReason(), token.GetStateMessage())
		default:
		}
	}
}

// subscribe makes the bus and a destination for each URL, with a rule that selects its share of the events.
func (s *suite) subscribe(ctx context.Context, urls []string) error {
	client := deliveryv1.NewDeliveryServiceClient(s.conn)
	if _, err := client.CreateBus(ctx, &deliveryv1.CreateBusRequest{Parent: s.project, BusId: busID, Bus: &deliveryv1.Bus{}}); err != nil {
		return fmt.Errorf("create the bus: %w", err)
	}
	for i, url := range urls {
		if err := s.target(ctx, share(i), url); err != nil {
			return err
		}
	}
	return nil
}

// target makes a destination without rate limit and a rule that selects the events of its detail type.
func (s *suite) target(ctx context.Context, id, url string) error {
	return s.limitedTarget(ctx, id, url, 0)
}

// limitedTarget is target with a rate limit; 0 for none.
func (s *suite) limitedTarget(ctx context.Context, id, url string, perSecond int32) error {
	client := deliveryv1.NewDeliveryServiceClient(s.conn)
	_, err1 := client.CreateDestination(ctx, &deliveryv1.CreateDestinationRequest{
		Parent: s.project, DestinationId: id, Destination: &deliveryv1.Destination{
			Connection: s.connection(), Endpoint: url, UnlimitedRate: perSecond == 0, RateLimitPerSecond: perSecond,
		},
	})
	_, err2 := client.CreateRule(ctx, &deliveryv1.CreateRuleRequest{
		Parent: s.bus(), RuleId: id, Rule: &deliveryv1.Rule{
			EventPattern: fmt.Sprintf(`{"source":[%q],"detail-type":[%q]}`, source, id),
			Targets:      []*deliveryv1.Target{{Id: "sink", Destination: s.project + "/destinations/" + id, InputPath: "$.detail"}},
		},
	})
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("create destination and rule %s: %w", id, err)
	}
	return nil
}

// subscribePaused makes a destination whose deliveries wait.
func (s *suite) subscribePaused(ctx context.Context, url string) error {
	if err := s.target(ctx, pausedID, url); err != nil {
		return err
	}
	_, err := deliveryv1.NewDestinationControlServiceClient(s.conn).PauseDestination(ctx, &deliveryv1.PauseDestinationRequest{
		Name: s.project + "/destinations/" + pausedID,
	})
	if err != nil {
		return fmt.Errorf("pause the destination: %w", err)
	}
	return nil
}

// share names the i-th destination, its rule, and the detail type of its events.
func share(i int) string { return fmt.Sprintf("share-%02d", i) }
