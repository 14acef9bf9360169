package delivery

import (
	"context"
	"time"
)

// trimEvery is how often what is not needed any more is removed.
const trimEvery = time.Minute

// trim removes what is not needed any more, a batch at a time, so that nobody waits long for the store.
func (s *Service) trim(ctx context.Context) error {
	if err := drain(ctx, func() (int, error) { return s.store.ForgetKeys(ctx, s.stamp(), batch) }); err != nil {
		return err
	}
	return s.trimHistory(ctx)
}

// drain repeats a step until it finds nothing.
func drain(ctx context.Context, step func() (int, error)) error {
	for {
		if n, err := step(); err != nil || n == 0 || ctx.Err() != nil {
			return err
		}
	}
}
