package delivery

import (
	"context"
	"sync"
)

// suspects are deliveries that may be stored as ours although we do not have them in memory, because the outcome of a write is not
// known. They are released as soon as the store answers again.
type suspects struct {
	mu  sync.Mutex
	ids []ID
}

func (s *Service) suspect(deliveries []*Delivery) {
	s.suspects.mu.Lock()
	defer s.suspects.mu.Unlock()
	for _, d := range deliveries {
		if d.Owner != "" {
			s.suspects.ids = append(s.suspects.ids, d.ID)
		}
	}
}

// clearSuspects releases what is suspect.
func (s *Service) clearSuspects(ctx context.Context) error {
	for {
		s.suspects.mu.Lock()
		ids := s.suspects.ids[:min(len(s.suspects.ids), batch)]
		s.suspects.mu.Unlock()
		if len(ids) == 0 {
			return nil
		}
		if err := s.store.Release(ctx, s.owner, ids); err != nil {
			return err
		}
		s.suspects.mu.Lock()
		s.suspects.ids = append([]ID(nil), s.suspects.ids[len(ids):]...)
		s.suspects.mu.Unlock()
	}
}
