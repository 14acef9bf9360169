package delivery

import (
	"context"
	"sync"
)

// suspects are deliveries that may be stored as ours although we do not have them in memory: because the outcome of a write is not known, or
// because they were dropped as cancelled. They are released as soon as the store answers.
type suspects struct {
	mu  sync.Mutex
	ids []ID
}

func (s *suspects) add(ids []ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids = append(s.ids, ids...)
}

// take removes up to n.
func (s *suspects) take(n int) []ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	n = min(n, len(s.ids))
	ids := append([]ID(nil), s.ids[:n]...)
	s.ids = s.ids[n:]
	return ids
}

func (s *Service) suspect(deliveries []*Delivery) {
	if ids := owned(deliveries); len(ids) > 0 {
		s.suspects.add(ids)
		s.look()
	}
}

// owned returns the ids of deliveries that are stored as somebody's.
func owned(deliveries []*Delivery) (ids []ID) {
	for _, d := range deliveries {
		if d.Owner != "" {
			ids = append(ids, d.ID)
		}
	}
	return ids
}

// clearSuspects releases what is suspect.
func (s *Service) clearSuspects(ctx context.Context) error {
	for {
		ids := s.suspects.take(batch)
		if len(ids) == 0 {
			return nil
		}
		if err := s.store.Release(ctx, s.owner, ids); err != nil {
			s.suspects.add(ids)
			return err
		}
	}
}
