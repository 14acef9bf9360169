package dispatch

import "sync/atomic"

// shareOfFree is how much a tenant may have in memory, as a multiple of what is free: alone it gets to 4/5 of all, and whoever comes then
// finds room for as much in proportion.
const shareOfFree = 4

// claimWeight is what an item that is being claimed counts until its weight is known.
const claimWeight = 1 << 10

// tenant is what the lanes of one have in memory together.
type tenant struct {
	lanes  int          // the dispatcher's mu guards it
	memory atomic.Int64 // weight of their items
}

// share is the room in memory. It bounds what each tenant has by what the others leave, so that none can fill it.
type share struct {
	limit  int64
	memory atomic.Int64 // weight of all items
}

// room says whether a tenant may have an item of that weight more.
func (s *share) room(t *tenant, weight int64) bool {
	free := s.limit - s.memory.Load() - weight
	return free >= 0 && t.memory.Load()+weight <= shareOfFree*free
}

func (s *share) add(t *tenant, weight int64) {
	s.memory.Add(weight)
	t.memory.Add(weight)
}
