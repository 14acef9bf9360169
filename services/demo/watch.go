package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/sdk/tokensource"
)

// sources watch the parties' tokens the way an application does.
type sources map[string]*tokensource.Source // by party

// openSources watches every token and returns when each has been seen once.
func openSources(ctx context.Context, conn grpc.ClientConnInterface, logger *slog.Logger) (sources, error) {
	opened := sources{}
	for _, p := range parties() {
		source, err := tokensource.New(ctx, conn, p.token(), tokensource.WithLogger(logger.With("part", "tokensource")))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("watch the token of %s: %w", p.id, err), opened.close())
		}
		opened[p.id] = source
	}
	return opened, nil
}

func (s sources) close() error {
	var errs []error
	for _, source := range s {
		errs = append(errs, source.Close())
	}
	return errors.Join(errs...)
}

// watch puts every state of a token on the board until ctx ends.
func watch(ctx context.Context, id string, source *tokensource.Source, b *board) error {
	for {
		updated := source.Updated()
		token, err := source.Current()
		if err != nil {
			return fmt.Errorf("watch the token of %s: %w", id, err)
		}
		b.arrived(id, token, time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-updated:
		}
	}
}

// pushTime is how long a generation may take to its watcher, after which the demo has failed.
const pushTime = 5 * time.Second

// reached puts the states of a token on the board until a generation has arrived, and returns the one that has.
func reached(ctx context.Context, id string, source *tokensource.Source, generation int64, b *board) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, pushTime)
	defer cancel()
	for {
		updated := source.Updated()
		token, err := source.Current()
		if err != nil {
			return 0, fmt.Errorf("watch the token of %s: %w", id, err)
		}
		b.arrived(id, token, time.Now())
		if token.GetGeneration() >= generation {
			return token.GetGeneration(), nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("%w: generation %d of %s was obtained and not pushed within %s", ErrFailed, generation, id, pushTime)
		case <-updated:
		}
	}
}

// keyChange changes the API key of the warehouse, as one does it without a gap: for a while the API accepts both.
type keyChange struct {
	client  connectionv1.ConnectionServiceClient
	outside *outside
	source  *tokensource.Source
	board   *board
	overlap time.Duration
}

// run changes the key after a while, waits until the new one has been pushed, and then lets the overlap pass before the API forgets the
// old one. When ctx ends, what is not done is left; the API then accepts both to the end.
func (k *keyChange) run(ctx context.Context, after time.Duration) error {
	if !wait(ctx, after) {
		return nil
	}
	api, former, next := k.outside.apis[warehouse], k.outside.secrets[warehouseKey], rand.Text()
	before, err := k.source.Current()
	if err != nil {
		return err
	}
	api.SetAPIKey(keyHeader, former, next)
	k.board.tell("%s: the API key is changed; the API accepts both for now", warehouse)
	_, err = k.client.UpdateConnection(ctx, &connectionv1.UpdateConnectionRequest{
		Connection: &connectionv1.Connection{
			Name:          party{id: warehouse}.connection(),
			Authorization: &connectionv1.Connection_ApiKey{ApiKey: &connectionv1.ApiKeyAuthorization{Value: next}},
		},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"api_key.value"}},
	})
	if err != nil {
		return ended(ctx, fmt.Errorf("change the API key of %s: %w", warehouse, err))
	}
	if err := k.pushed(ctx, before); err != nil {
		return ended(ctx, err)
	}
	if wait(ctx, k.overlap) {
		api.SetAPIKey(keyHeader, next)
		k.board.tell("%s: the API accepts only the new key from now on", warehouse)
	}
	return nil
}

// pushed waits for a later generation than that of before.
func (k *keyChange) pushed(ctx context.Context, before *tokenv1.Token) error {
	for {
		updated := k.source.Updated()
		token, err := k.source.Current()
		if err != nil {
			return err
		}
		if token.GetGeneration() > before.GetGeneration() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-updated:
		}
	}
}

// wait waits and reports whether ctx left it the time.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// ended returns err, unless ctx ended and is its cause.
func ended(ctx context.Context, err error) error {
	select {
	case <-ctx.Done():
		return nil
	default:
		return err
	}
}
