package store

// ListQuery is what ListDeliveries runs.
var ListQuery = listQuery

// Query is a text with arguments of the right kinds.
type Query struct {
	Text string
	Args []any
}

// Queries are texts that run often, or on much.
func Queries() map[string]Query {
	return map[string]Query{
		"list schedules":  {listSchedules, []any{"p", "b", "", 50}},
		"due schedules":   {dueSchedules, []any{int64(9), 50}},
		"next schedule":   {nextSchedule, nil},
		"next project":    {nextProject, []any{"p"}},
		"old events":      {oldEvents, []any{"p", "0", "1", 50}},
		"oldest page":     {oldestPage, []any{"p"}},
		"trim deliveries": {trimDeliveries, []any{"p", "e", int64(1), int64(1)}},
		"trim attempts":   {trimAttempts, []any{"p", "d"}},
		"trim event":      {trimEvent, []any{"p", "e", "1"}},
		"free keys":       {freeKeys, []any{int64(1)}},
	}
}

// Queued is how many calls of Accept wait for the next transaction.
func (s *Store) Queued() int {
	s.accepting.mu.Lock()
	defer s.accepting.mu.Unlock()
	return len(s.accepting.queue)
}

// Claims are texts that lock what they select and change it.
func (s *Store) Claims() map[string]Query {
	return map[string]Query{
		"claim":         {s.claiming(claimable, take), []any{"o", "p", "d", int64(1), 50}},
		"claim overdue": {s.claiming(overdue, take), []any{"o", int64(1), 50}},
		"leave":         {s.claiming(ownedBy, free), []any{"o", 50}},
		"adopt":         {s.claiming(orphaned, free), []any{50}},
		"claim jobs":    {s.claiming(abandoned, drive), []any{"o", 50}},
		"fold counts":   {s.claiming(recorded, takeCounts), []any{50}},
		"expire":        {s.claiming(outdated, drop), []any{"p", "a", int64(1), 50}},
		"forget keys":   {s.claiming(expired, forgetKeys), []any{int64(1), 50}},
	}
}
