package tokensource_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/sdk/tokensource"
)

const (
	connection = "projects/default/connections/crm"
	tokenName  = connection + "/token"
)

// tokenServer is a TokenService that keeps one token and does what tests tell.
type tokenServer struct {
	tokenv1.UnimplementedTokenServiceServer
	tokenv1.UnimplementedDpopServiceServer
	tokenv1.UnimplementedOauth1ServiceServer

	onProof   func() error                                       // asked before each proof
	rejectErr error                                              // answers ReportRejected
	onReject  func(fingerprint string)                           // what a report of the current credential causes
	onGet     func(minTTL time.Duration) (*tokenv1.Token, error) // answers GetToken

	mu      sync.Mutex
	token   *tokenv1.Token
	changed chan struct{} // closed and replaced with every change of the fields below and of token
	ending  error         // ends open streams
	refusal error         // answers new streams
	silent  bool          // streams say nothing at all
	opened  []time.Time   // when streams were opened
	open    int
	reports []string
	gets    []time.Duration
	header  metadata.MD // of the last stream
}

func newTokenServer(token *tokenv1.Token) *tokenServer {
	return &tokenServer{token: token, changed: make(chan struct{})}
}

// change runs f under the lock and wakes the streams.
func (s *tokenServer) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.changed)
	s.changed = make(chan struct{})
}

// push makes token the current state.
func (s *tokenServer) push(token *tokenv1.Token) { s.change(func() { s.token = token }) }

// down ends every stream and answers new ones with err; nil lets them in again.
func (s *tokenServer) down(err error) { s.change(func() { s.ending, s.refusal = err, err }) }

func (s *tokenServer) openings() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]time.Time(nil), s.opened...)
}

func (s *tokenServer) openStreams() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

func (s *tokenServer) reported() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.reports...)
}

func (s *tokenServer) asked() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]time.Duration(nil), s.gets...)
}

func (s *tokenServer) WatchToken(
	request *tokenv1.WatchTokenRequest, stream grpc.ServerStreamingServer[tokenv1.WatchTokenResponse],
) error {
	s.mu.Lock()
	s.opened = append(s.opened, time.Now())
	s.header, _ = metadata.FromIncomingContext(stream.Context())
	s.open++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.open--
		s.mu.Unlock()
	}()
	var sent *tokenv1.Token
	for first := true; ; first = false {
		s.mu.Lock()
		token, changed, silent, refusal, ending := s.token, s.changed, s.silent, s.refusal, s.ending
		s.mu.Unlock()
		switch {
		case first && refusal != nil:
			return refusal
		case !first && ending != nil:
			return ending
		case request.GetName() != token.GetName():
			return status.Error(codes.NotFound, "no such token")
		}
		if !silent {
			if err := stream.Send(&tokenv1.WatchTokenResponse{Token: token, Heartbeat: token == sent}); err != nil {
				return err
			}
			sent = token
		}
		select {
		case <-changed:
		case <-time.After(request.GetHeartbeatInterval().AsDuration()):
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

func (s *tokenServer) GetToken(_ context.Context, request *tokenv1.GetTokenRequest) (*tokenv1.GetTokenResponse, error) {
	minTTL := request.GetMinTtl().AsDuration()
	s.mu.Lock()
	s.gets = append(s.gets, minTTL)
	s.mu.Unlock()
	token, err := s.onGet(minTTL)
	return &tokenv1.GetTokenResponse{Token: token}, err
}

func (s *tokenServer) ReportRejected(
	_ context.Context, request *tokenv1.ReportRejectedRequest,
) (*tokenv1.ReportRejectedResponse, error) {
	s.mu.Lock()
	s.reports = append(s.reports, request.GetFingerprint())
	current := request.GetFingerprint() == s.token.GetFingerprint()
	generation := s.token.GetGeneration()
	s.mu.Unlock()
	if s.rejectErr != nil {
		return nil, s.rejectErr
	}
	if current && s.onReject != nil {
		s.onReject(request.GetFingerprint())
	}
	return &tokenv1.ReportRejectedResponse{Current: current, Generation: generation}, nil
}

// serve runs the server in memory and returns a connection to it.
func (s *tokenServer) serve(t testing.TB, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	server := grpc.NewServer()
	tokenv1.RegisterTokenServiceServer(server, s)
	tokenv1.RegisterDpopServiceServer(server, s)
	tokenv1.RegisterOauth1ServiceServer(server, s)
	listener := serveGRPC(t, server)
	conn, err := grpc.NewClient("passthrough:///memory", append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()), inMemory(listener),
	}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return conn
}

// serveGRPC runs any gRPC server in memory until the test ends.
func serveGRPC(t testing.TB, server *grpc.Server) *pipes {
	t.Helper()
	listener := newPipes()
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		server.Stop()
		running.Wait()
	})
	return listener
}

func inMemory(listener *pipes) grpc.DialOption {
	return grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		return listener.dial(ctx)
	})
}

// newSource watches the server's token until the test ends.
func newSource(t testing.TB, server *tokenServer, opts ...tokensource.Option) *tokensource.Source {
	t.Helper()
	source, err := tokensource.New(t.Context(), server.serve(t), connection, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, source.Close()) })
	return source
}

func fingerprint(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:16])
}

// bearer is an AUTHORIZED OAuth token that lives for life from now.
func bearer(generation int64, secret string, life time.Duration) *tokenv1.Token {
	return &tokenv1.Token{
		Name:            tokenName,
		Generation:      generation,
		State:           tokenv1.Token_AUTHORIZED,
		AccessToken:     secret,
		TokenType:       "Bearer",
		Scopes:          []string{"orders.read", "orders.write"},
		IssueTime:       timestamppb.Now(),
		ExpireTime:      timestamppb.New(time.Now().Add(life)),
		NextRefreshTime: timestamppb.New(time.Now().Add(life * 3 / 4)),
		Credential: &tokenv1.HttpCredential{Headers: []*tokenv1.HttpCredentialField{
			{Key: "Authorization", Value: "Bearer " + secret},
		}},
		Fingerprint: fingerprint(secret),
	}
}

// static is an AUTHORIZED credential that is no OAuth token.
func static(generation int64, credential *tokenv1.HttpCredential) *tokenv1.Token {
	return &tokenv1.Token{
		Name:        tokenName,
		Generation:  generation,
		State:       tokenv1.Token_AUTHORIZED,
		IssueTime:   timestamppb.Now(),
		Credential:  credential,
		Fingerprint: fingerprint(credential.String()),
	}
}

// in is token's successor without a credential, in another state.
func in(token *tokenv1.Token, state tokenv1.Token_State, reason errorsv1.Reason) *tokenv1.Token {
	next := proto.CloneOf(token)
	next.State, next.StateReason, next.StateMessage = state, reason, "told by the test"
	next.AccessToken, next.Credential, next.ExpireTime, next.Fingerprint = "", nil, nil, ""
	return next
}
