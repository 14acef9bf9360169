package dispatch

import (
	"slices"
	"sync"
	"sync/atomic"
)

// turnstile bounds how many lanes do something at once. Those that wait take turns: one tenant after the other, and of each, one lane after
// the other. So a tenant waits for as many turns as there are tenants that wait, however many lanes each has.
type turnstile struct {
	mu    sync.Mutex // may be taken while a lane's is held
	free  int
	order []string             // tenants that have waiting lanes; the first is next
	lines map[string][]*ticket // those lanes, by tenant
}

// ticket is a lane's place at a turnstile.
type ticket struct {
	tenant  string
	nudge   func()      // makes the lane look again
	granted atomic.Bool // its turn has come
	waiting bool        // for it; the turnstile's mu guards it
}

func newTurnstile(n int) *turnstile { return &turnstile{free: n, lines: map[string][]*ticket{}} }

// admit says whether the lane may pass; if not, it gets its turn once others have left, and is nudged then.
func (t *turnstile) admit(k *ticket) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k.granted.CompareAndSwap(true, false) {
		return true
	}
	if t.free > 0 { // nobody waits
		t.free--
		return true
	}
	if !k.waiting {
		k.waiting = true
		if len(t.lines[k.tenant]) == 0 {
			t.order = append(t.order, k.tenant)
		}
		t.lines[k.tenant] = append(t.lines[k.tenant], k)
	}
	return false
}

// leave ends what admit began: whose turn it is comes next.
func (t *turnstile) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pass()
}

// decline gives up a turn that the lane has no use for.
func (t *turnstile) decline(k *ticket) {
	if k.granted.CompareAndSwap(true, false) {
		t.leave()
	}
}

// forget takes a lane that ends out of the turns.
func (t *turnstile) forget(k *ticket) {
	t.mu.Lock()
	if k.waiting {
		k.waiting = false
		t.lines[k.tenant] = slices.DeleteFunc(t.lines[k.tenant], func(other *ticket) bool { return other == k })
		if len(t.lines[k.tenant]) == 0 {
			delete(t.lines, k.tenant)
			t.order = slices.DeleteFunc(t.order, func(other string) bool { return other == k.tenant })
		}
	}
	t.mu.Unlock()
	t.decline(k)
}

// pass gives a place that became free to the next. t.mu is held.
func (t *turnstile) pass() {
	if len(t.order) == 0 {
		t.free++
		return
	}
	tenant := t.order[0]
	t.order = t.order[1:]
	k, rest := t.lines[tenant][0], t.lines[tenant][1:]
	if len(rest) == 0 {
		delete(t.lines, tenant)
	} else {
		t.lines[tenant] = rest
		t.order = append(t.order, tenant)
	}
	k.waiting = false
	k.granted.Store(true)
	k.nudge()
}
