package demo

import (
	"context"
	"fmt"
	"time"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

const (
	// readEvery is how often the rotations' history is read: far more often than it is trimmed.
	readEvery = time.Second
	readTime  = 10 * time.Second
	readPage  = 250
)

// journal counts rotations by the token service's own history.
type journal struct {
	client tokenv1.TokenServiceClient
	board  *board
	since  time.Time
	// committed are the generations obtained since then, by party; failed the names of rotations that ended otherwise.
	committed map[string]map[int64]bool
	failed    map[string]bool
}

func newJournal(client tokenv1.TokenServiceClient, b *board, since time.Time) *journal {
	return &journal{client: client, board: b, since: since, committed: map[string]map[int64]bool{}, failed: map[string]bool{}}
}

// run reads the history again and again until ctx ends. That it cannot be read is for the last reading to say.
func (j *journal) run(ctx context.Context) error {
	ticker := time.NewTicker(readEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := j.read(ctx); err != nil && ctx.Err() == nil {
			j.board.tell("%v", err)
		}
	}
}

// read takes in the newest rotations of every token that expires.
func (j *journal) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	for _, p := range parties() {
		if !p.oauth {
			continue
		}
		answer, err := j.client.ListRotations(ctx, &tokenv1.ListRotationsRequest{Parent: p.token(), PageSize: readPage})
		if err != nil {
			return fmt.Errorf("read the rotations of %s: %w", p.id, err)
		}
		for _, rotation := range answer.GetRotations() {
			j.account(p, rotation)
		}
	}
	return nil
}

func (j *journal) account(p party, rotation *tokenv1.Rotation) {
	if rotation.GetStartTime().AsTime().Before(j.since) {
		return
	}
	switch rotation.GetState() {
	case tokenv1.Rotation_COMMITTED:
		if j.committed[p.id] == nil {
			j.committed[p.id] = map[int64]bool{}
		}
		j.committed[p.id][rotation.GetGeneration()] = true
	case tokenv1.Rotation_FAILED, tokenv1.Rotation_ABANDONED, tokenv1.Rotation_LOST:
		if !j.failed[rotation.GetName()] {
			j.failed[rotation.GetName()] = true
			j.board.tell("%s: a refresh is %s: %s %s", p.id, rotation.GetState(), rotation.GetFailureClass(), rotation.GetFailureMessage())
		}
	default: // under way
	}
}

// rotations is how many generations were obtained beyond the first of each token.
func (j *journal) rotations() int {
	var n int
	for _, generations := range j.committed {
		n += len(generations) - 1
	}
	return n
}

// latest is the newest generation of a party's token in what has been read; 0 if there is none.
func (j *journal) latest(id string) int64 {
	var latest int64
	for generation := range j.committed[id] {
		latest = max(latest, generation)
	}
	return latest
}
