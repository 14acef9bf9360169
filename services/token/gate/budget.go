package gate

import "time"

// slots divide a period. What is counted in a slot is forgotten a period after the slot's end, so that no period whatever has more requests
// than it may; the price is that they come back a slot later than they might.
const slots = 60

// budget counts a client's requests at an endpoint.
type budget struct {
	slot   time.Duration
	counts map[int64]int // by the slot's number; at most slots+1
	used   int
	last   int64 // the slot of the last request
}

func (g *Gate[K]) budget(c Client, limit Limit, now time.Time) *budget {
	key := budgetKey{c.Endpoint, c.ID}
	slot := max(limit.Period/slots, 1)
	b := g.budgets[key]
	if b == nil {
		makeRoom(g.budgets, func(b *budget) bool {
			b.expire(now)
			return b.used == 0
		})
		b = &budget{slot: slot, counts: map[int64]int{}}
		g.budgets[key] = b
	}
	if b.slot != slot { // the settings changed: what was counted is taken as of now
		b.counts, b.slot = map[int64]int{now.UnixNano() / int64(slot): b.used}, slot
	}
	return b
}

// expire forgets the slots that ended a period ago.
func (b *budget) expire(now time.Time) {
	oldest := now.UnixNano()/int64(b.slot) - slots
	for number, count := range b.counts {
		if number < oldest {
			b.used -= count
			delete(b.counts, number)
		}
	}
}

// take counts a request, or tells when there will be room for one.
func (b *budget) take(limit Limit, now time.Time) (time.Time, bool) {
	b.expire(now)
	if b.used < limit.Requests {
		b.last = now.UnixNano() / int64(b.slot)
		b.counts[b.last]++
		b.used++
		return time.Time{}, true
	}
	oldest := now.UnixNano() / int64(b.slot)
	for number := range b.counts {
		oldest = min(oldest, number)
	}
	return time.Unix(0, (oldest+slots+1)*int64(b.slot)), false
}

// giveBack takes back a request that did not leave.
func (b *budget) giveBack() {
	if b.counts[b.last] > 0 {
		b.counts[b.last]--
		b.used--
	}
}
