package fanout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/bench/child"
)

const (
	anyPort  = "127.0.0.1:0"
	grpcAddr = "grpc"
)

// Config is what is sent.
type Config struct {
	// Message is a WatchTokenResponse in wire form: the first message of every stream, and but for its generation every later one.
	Message []byte `json:"message"`
}

// Addr is the server's address among those that it announced.
func Addr(addrs map[string]string) string { return addrs[grpcAddr] }

// Run is the process of the server: it serves until stdin or ctx ends.
func Run(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	var config Config
	ctx, err := child.Configure(ctx, stdin, &config)
	if err != nil {
		return err
	}
	return Serve(ctx, config, func(addrs map[string]string) error { return child.Announce(stdout, addrs) })
}

// Serve serves on a free port of the loopback interface until ctx ends, and calls ready once with where that is.
func Serve(ctx context.Context, config Config, ready func(addrs map[string]string) error) error {
	s := &server{streams: map[chan *tokenv1.WatchTokenResponse]struct{}{}, newest: &tokenv1.WatchTokenResponse{}}
	if err := proto.Unmarshal(config.Message, s.newest); err != nil {
		return fmt.Errorf("message: %w", err)
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", anyPort)
	if err != nil {
		return err
	}
	bare := grpc.NewServer()
	tokenv1.RegisterTokenServiceServer(bare, s)
	ended := make(chan error, 1)
	go func() { ended <- bare.Serve(listener) }()
	err = ready(map[string]string{grpcAddr: listener.Addr().String()})
	if err == nil {
		<-ctx.Done()
	}
	bare.Stop()
	return errors.Join(err, <-ended)
}

type server struct {
	tokenv1.UnimplementedTokenServiceServer

	mu      sync.Mutex
	newest  *tokenv1.WatchTokenResponse
	streams map[chan *tokenv1.WatchTokenResponse]struct{} // each holds one: the newest that the stream has not sent
}

// WatchToken implements TokenService: it sends the newest message at once and then each that follows.
func (s *server) WatchToken(_ *tokenv1.WatchTokenRequest, stream grpc.ServerStreamingServer[tokenv1.WatchTokenResponse]) error {
	next := make(chan *tokenv1.WatchTokenResponse, 1)
	s.mu.Lock()
	next <- s.newest
	s.streams[next] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.streams, next)
	}()
	for {
		select {
		case message := <-next:
			if err := stream.Send(message); err != nil {
				return err
			}
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// RefreshToken implements TokenService: it sends the message with the next generation to every stream.
func (s *server) RefreshToken(context.Context, *tokenv1.RefreshTokenRequest) (*tokenv1.RefreshTokenResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	message := proto.CloneOf(s.newest)
	message.Token.Generation++
	s.newest = message
	for next := range s.streams {
		select {
		case <-next: // was not sent yet; newest wins
		default:
		}
		next <- message
	}
	return &tokenv1.RefreshTokenResponse{Token: message.GetToken()}, nil
}
