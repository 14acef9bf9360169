package gate

import "time"

// slots divide a period. What is counted in a slot is forgotten a period after the slot's end, so that no period whatever has more requests
// than it may; the price is that they come back a slot later than they might.
const slots = 60

// Budget counts a client's requests at an endpoint. It is plain data, to be stored where all who make such requests see it.
type Budget struct {
	// Slot is the length of a slot.
	Slot time.Duration `json:"slot"`
	// Counts are the requests by the number of their slot, since 1970; at most slots+1.
	Counts map[int64]int `json:"counts"`
}

// Take counts a request, or tells when there will be room for one.
func (b *Budget) Take(limit Limit, now time.Time) (time.Time, bool) {
	b.divide(max(limit.Period/slots, 1), now)
	b.expire(now)
	if b.used() < limit.Requests {
		b.Counts[b.number(now)]++
		return time.Time{}, true
	}
	oldest := b.number(now)
	for number := range b.Counts {
		oldest = min(oldest, number)
	}
	return time.Unix(0, (oldest+slots+1)*int64(b.Slot)), false
}

// GiveBack takes back a request, taken at the given time, that did not leave.
func (b *Budget) GiveBack(taken time.Time) {
	if b.Slot <= 0 {
		return
	}
	if number := b.number(taken); b.Counts[number] > 1 {
		b.Counts[number]--
	} else {
		delete(b.Counts, number)
	}
}

func (b *Budget) number(at time.Time) int64 { return at.UnixNano() / int64(b.Slot) }

// divide makes the slots those of the settings. If these changed, what was counted is taken as of now.
func (b *Budget) divide(slot time.Duration, now time.Time) {
	if b.Slot == slot && b.Counts != nil {
		return
	}
	used := b.used()
	b.Slot, b.Counts = slot, map[int64]int{}
	if used > 0 {
		b.Counts[b.number(now)] = used
	}
}

// expire forgets the slots that ended a period ago.
func (b *Budget) expire(now time.Time) {
	oldest := b.number(now) - slots
	for number := range b.Counts {
		if number < oldest {
			delete(b.Counts, number)
		}
	}
}

func (b *Budget) used() int {
	var used int
	for _, count := range b.Counts {
		used += count
	}
	return used
}
