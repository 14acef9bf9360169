package deliverytest

import (
	"context"
	"fmt"
	"sync"

	"github.com/go-jose/go-jose/v4"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// Tokens is a token service and a connection service: whatever has a token is a connection.
type Tokens struct {
	tokenv1.UnimplementedTokenServiceServer
	tokenv1.UnimplementedDpopServiceServer
	connectionv1.UnimplementedConnectionServiceServer

	// OnReject, if set before the first call, is called for every report with the connection and the fingerprint.
	OnReject func(connection, fingerprint string)
	// OnProve, if set before the first call, is asked before every proof; its error is the answer.
	OnProve func(*tokenv1.CreateDpopProofRequest) error

	mu       sync.Mutex
	tokens   map[string]*tokenv1.Token
	changed  chan struct{} // closes with every change
	acked    map[string]int64
	rejected []string
	prover   jose.Signer // of the bound token
}

// NewTokens returns a service without tokens.
func NewTokens() *Tokens {
	return &Tokens{tokens: map[string]*tokenv1.Token{}, changed: make(chan struct{}), acked: map[string]int64{}}
}

// Bearer makes the next generation of a connection's token an access token.
func (s *Tokens) Bearer(connection, accessToken string) *tokenv1.Token {
	return s.Put(connection, &tokenv1.Token{
		State: tokenv1.Token_AUTHORIZED, AccessToken: accessToken, TokenType: "Bearer",
		Fingerprint: seal.NewSecret(accessToken).Fingerprint(),
		Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		Credential: &tokenv1.HttpCredential{
			Headers: []*tokenv1.HttpCredentialField{{Key: "Authorization", Value: "Bearer " + accessToken}},
		},
	})
}

// Put makes token the next generation of a connection's token, and pushes it.
func (s *Tokens) Put(connection string, token *tokenv1.Token) *tokenv1.Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	token.Name = connection + "/token"
	token.Generation = s.tokens[token.Name].GetGeneration() + 1
	s.tokens[token.Name] = token
	close(s.changed)
	s.changed = make(chan struct{})
	return token
}

// Deauthorize takes a connection's token away.
func (s *Tokens) Deauthorize(connection string) {
	s.Put(connection, &tokenv1.Token{State: tokenv1.Token_DEAUTHORIZED, StateReason: errorsv1.Reason_DEAUTHORIZED})
}

// Delete removes a connection.
func (s *Tokens) Delete(connection string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, connection+"/token")
	close(s.changed)
	s.changed = make(chan struct{})
}

// Rejected returns the fingerprints that were reported, in order.
func (s *Tokens) Rejected() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.rejected...)
}

// Acknowledged returns the last generation of a connection's token that was acknowledged.
func (s *Tokens) Acknowledged(connection string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acked[connection+"/token"]
}

func (s *Tokens) current(name string) (*tokenv1.Token, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens[name], s.changed
}

// GetConnection implements connectionv1.ConnectionServiceServer.
func (s *Tokens) GetConnection(
	_ context.Context, req *connectionv1.GetConnectionRequest,
) (*connectionv1.GetConnectionResponse, error) {
	if token, _ := s.current(req.GetName() + "/token"); token == nil {
		return nil, status.Error(codes.NotFound, "no such connection")
	}
	return &connectionv1.GetConnectionResponse{Connection: &connectionv1.Connection{Name: req.GetName()}}, nil
}

// ReportRejected implements tokenv1.TokenServiceServer.
func (s *Tokens) ReportRejected(
	_ context.Context, req *tokenv1.ReportRejectedRequest,
) (*tokenv1.ReportRejectedResponse, error) {
	s.mu.Lock()
	s.rejected = append(s.rejected, req.GetFingerprint())
	token := s.tokens[req.GetName()]
	s.mu.Unlock()
	if s.OnReject != nil {
		s.OnReject(req.GetName()[:len(req.GetName())-len("/token")], req.GetFingerprint())
	}
	return &tokenv1.ReportRejectedResponse{
		Current: token.GetFingerprint() == req.GetFingerprint(), Generation: token.GetGeneration(),
	}, nil
}

// WatchTokens implements tokenv1.TokenServiceServer.
func (s *Tokens) WatchTokens(stream tokenv1.TokenService_WatchTokensServer) error {
	names := make(chan string)
	go func() {
		defer close(names)
		for {
			m, err := stream.Recv()
			if err != nil {
				return
			}
			if ack := m.GetAcknowledge(); ack != nil {
				s.mu.Lock()
				s.acked[ack.GetName()] = ack.GetGeneration()
				s.mu.Unlock()
			}
			for _, name := range m.GetSubscribe().GetNames() {
				select {
				case names <- name:
				case <-stream.Context().Done():
					return
				}
			}
		}
	}()
	watched := map[string]*tokenv1.Token{}
	for {
		_, changed := s.current("")
		for name, sent := range watched {
			token, _ := s.current(name)
			if token == sent {
				continue
			}
			watched[name] = token
			if err := stream.Send(answer(name, token)); err != nil {
				return err
			}
			if token == nil {
				delete(watched, name)
			}
		}
		select {
		case name, ok := <-names:
			if !ok {
				return stream.Context().Err()
			}
			watched[name] = &tokenv1.Token{} // differs from every other
		case <-changed:
		}
	}
}

func answer(name string, token *tokenv1.Token) *tokenv1.WatchTokensResponse {
	if token == nil {
		return &tokenv1.WatchTokensResponse{Event: &tokenv1.WatchTokensResponse_Error{Error: &tokenv1.WatchTokensError{
			Name: name, Reason: errorsv1.Reason_TOKEN_NOT_FOUND, Message: fmt.Sprintf("%s does not exist", name),
		}}}
	}
	return &tokenv1.WatchTokensResponse{Event: &tokenv1.WatchTokensResponse_Token{Token: token}}
}
