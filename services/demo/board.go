package demo

import (
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

// board is what the demo has seen so far.
type board struct {
	mu         sync.Mutex
	rows       []row
	pushes     int
	minLead    time.Duration
	leads      int // rotations that have a lead
	happenings []happening
	happened   int           // all happenings, those dropped included
	news       chan struct{} // has a value after something happened
}

// row is one connection as its watcher sees it.
type row struct {
	party

	generation    int64
	state         tokenv1.Token_State
	issue, expire time.Time // zero expire: never
	refresh       time.Time // zero: not planned
	lead          time.Duration
	rotated       bool // lead is that of a rotation
	pushes        int
}

// happening is a line about something that happened.
type happening struct {
	time time.Time
	text string
}

// maxHappenings bounds what is remembered; printing keeps up with far more.
const maxHappenings = 256

func newBoard() *board {
	b := &board{news: make(chan struct{}, 1)}
	for _, p := range parties() {
		b.rows = append(b.rows, row{party: p})
	}
	return b
}

// arrived takes in a state of a token at the moment in which its watcher has it.
func (b *board) arrived(id string, token *tokenv1.Token, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.rows {
		if b.rows[i].id == id {
			b.update(&b.rows[i], token, now)
		}
	}
}

func (b *board) update(r *row, token *tokenv1.Token, now time.Time) {
	if next := token.GetGeneration(); next > r.generation {
		if r.generation > 0 {
			b.rotated(r, next, now)
		}
		r.generation = next
	}
	if state := token.GetState(); state != r.state {
		if r.state != tokenv1.Token_STATE_UNSPECIFIED {
			b.add(now, "%s is %s %s", r.id, state, token.GetStateMessage())
		}
		r.state = state
	}
	r.issue, r.expire, r.refresh = token.GetIssueTime().AsTime(), time.Time{}, time.Time{}
	if token.GetExpireTime() != nil {
		r.expire = token.GetExpireTime().AsTime()
	}
	if token.GetNextRefreshTime() != nil {
		r.refresh = token.GetNextRefreshTime().AsTime()
	}
}

// rotated accounts for the arrival of a next generation. The row still is that of the former one.
func (b *board) rotated(r *row, next int64, now time.Time) {
	b.pushes++
	r.pushes++
	if r.expire.IsZero() {
		b.add(now, "rotation %s generation %d pushed", r.id, next)
		return
	}
	r.lead, r.rotated = r.expire.Sub(now), true
	if b.leads == 0 || r.lead < b.minLead {
		b.minLead = r.lead
	}
	b.leads++
	b.add(now, "rotation %s generation %d pushed with %.2fs left", r.id, next, r.lead.Seconds())
}

// tell notes that something happened.
func (b *board) tell(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(time.Now(), format, args...)
}

// add notes that something happened, once where the same thing happens again and again. b.mu must be held.
func (b *board) add(now time.Time, format string, args ...any) {
	text := strings.TrimSpace(strings.Map(onOneLine, fmt.Sprintf(format, args...)))
	if n := len(b.happenings); n > 0 && b.happenings[n-1].text == text {
		return
	}
	if len(b.happenings) == maxHappenings {
		b.happenings = append(b.happenings[:0], b.happenings[1:]...)
	}
	b.happenings = append(b.happenings, happening{now, text})
	b.happened++
	select {
	case b.news <- struct{}{}:
	default:
	}
}

// onOneLine keeps texts from elsewhere from moving the cursor.
func onOneLine(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}

// since returns what happened after the first seen happenings, as far as it is remembered, and how many there are now.
func (b *board) since(seen int) ([]happening, int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(b.happened-seen, len(b.happenings))
	return append([]happening(nil), b.happenings[len(b.happenings)-n:]...), b.happened
}

// table returns the rows.
func (b *board) table() []row {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]row(nil), b.rows...)
}

// pushed returns how many generations arrived, and the least validity that a former one had left then; 0 if none had a lead.
func (b *board) pushed() (pushes int, minLead time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pushes, b.minLead
}
