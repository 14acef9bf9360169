package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

const (
	// openers is how many streams are opened at the same time.
	openers = 64
	// heartbeat is the longest that the contract allows, so that none falls into a measurement.
	heartbeat = 10 * time.Minute
	// pushedWithin bounds one rotation until its last stream has it.
	pushedWithin = time.Minute
)

// streams are open WatchToken streams of one token.
type streams struct {
	token  string
	conns  []*grpc.ClientConn
	opened int
	round  atomic.Pointer[round]
	first  atomic.Pointer[tokenv1.WatchTokenResponse] // some stream's first message

	stop    context.CancelFunc
	readers sync.WaitGroup
	failed  chan error // holds one: why a stream ended that should not have
}

// round is the arrival of one generation at every stream.
type round struct {
	generation int64
	arrived    []atomic.Int64 // nanoseconds since begin, by stream; 0: not yet
	begin      time.Time
	missing    atomic.Int64
	done       chan struct{} // closed when none is missing
}

func newRound(generation int64, streams int) *round {
	r := &round{generation: generation, arrived: make([]atomic.Int64, streams), begin: time.Now(), done: make(chan struct{})}
	r.missing.Store(int64(streams))
	return r
}

func (r *round) note(stream int, generation int64) {
	if generation < r.generation {
		return
	}
	if at := max(1, int64(time.Since(r.begin))); r.arrived[stream].CompareAndSwap(0, at) && r.missing.Add(-1) == 0 {
		close(r.done)
	}
}

// openStreams opens n streams over some connections and returns once each has received generation 1 or a later one. They end with ctx.
func openStreams(ctx context.Context, addr, key, token string, n, conns int) (*streams, error) {
	ctx, stop := context.WithCancel(ctx)
	s := &streams{token: token, stop: stop, failed: make(chan error, 1)}
	for range conns {
		conn, err := dial(addr, key)
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		s.conns = append(s.conns, conn)
	}
	first := newRound(1, n)
	s.round.Store(first)
	group, opening := errgroup.WithContext(ctx)
	group.SetLimit(openers)
	for i := range n {
		group.Go(func() error {
			if opening.Err() != nil {
				return opening.Err()
			}
			return s.open(ctx, i)
		})
	}
	err := group.Wait()
	if err == nil {
		s.opened = n
		err = s.wait(ctx, first)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *streams) open(ctx context.Context, i int) error {
	client := tokenv1.NewTokenServiceClient(s.conns[i%len(s.conns)])
	stream, err := client.WatchToken(ctx, &tokenv1.WatchTokenRequest{Name: s.token, HeartbeatInterval: durationpb.New(heartbeat)})
	if err != nil {
		return fmt.Errorf("open stream %d: %w", i, err)
	}
	s.readers.Go(func() { s.read(ctx, i, stream) })
	return nil
}

func (s *streams) read(ctx context.Context, i int, stream grpc.ServerStreamingClient[tokenv1.WatchTokenResponse]) {
	for {
		message, err := stream.Recv()
		if err != nil {
			if ctx.Err() == nil {
				select {
				case s.failed <- fmt.Errorf("stream %d ended: %w", i, err):
				default: // one is enough
				}
			}
			return
		}
		s.round.Load().note(i, message.GetToken().GetGeneration())
		if s.first.Load() == nil {
			s.first.CompareAndSwap(nil, message)
		}
	}
}

func (s *streams) wait(ctx context.Context, r *round) error {
	timer := time.NewTimer(pushedWithin)
	defer timer.Stop()
	select {
	case <-r.done:
		return nil
	case err := <-s.failed:
		return err
	case <-timer.C:
		return fmt.Errorf("%d streams did not receive generation %d within %v", r.missing.Load(), r.generation, pushedWithin)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// push is how one generation reached the streams.
type push struct {
	p50, p99, last time.Duration // since the push
	fromCall       time.Duration // p99, since the call
}

// rotate asks for the next generation and returns when every stream has it. The push counts as made when the call has returned or the
// first stream has the generation, whichever is first: both come after the commit, and a client can see no earlier sign of it.
func (s *streams) rotate(ctx context.Context) (push, error) {
	last := s.round.Load().generation
	r := newRound(last+1, s.opened)
	s.round.Store(r)
	client := tokenv1.NewTokenServiceClient(s.conns[0])
	r.begin = time.Now()
	answer, err := client.RefreshToken(ctx, &tokenv1.RefreshTokenRequest{Name: s.token})
	returned := time.Since(r.begin)
	if err != nil {
		return push{}, fmt.Errorf("refresh the token: %w", err)
	}
	if got := answer.GetToken().GetGeneration(); got != r.generation {
		return push{}, fmt.Errorf("refresh the token: generation %d followed %d", got, last)
	}
	if err := s.wait(ctx, r); err != nil {
		return push{}, err
	}
	times := make([]time.Duration, len(r.arrived))
	for i := range times {
		times[i] = time.Duration(r.arrived[i].Load())
	}
	pushed := min(returned, slices.Min(times))
	return push{
		p50: percentile(times, 50) - pushed, p99: percentile(times, 99) - pushed, last: slices.Max(times) - pushed,
		fromCall: percentile(times, 99),
	}, nil
}

// message is what a stream received first.
func (s *streams) message() ([]byte, error) { return proto.Marshal(s.first.Load()) }

// close ends the streams and waits for that.
func (s *streams) close() error {
	s.stop()
	s.readers.Wait()
	var errs []error
	for _, conn := range s.conns {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}
