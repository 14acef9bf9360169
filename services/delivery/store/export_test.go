package store

// ListQuery is what ListDeliveries runs.
var ListQuery = listQuery

// Queued is how many calls of Accept wait for the next transaction.
func (s *Store) Queued() int {
	s.accepting.mu.Lock()
	defer s.accepting.mu.Unlock()
	return len(s.accepting.queue)
}
