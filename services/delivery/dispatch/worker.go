package dispatch

import (
	"context"
	"time"
)

// Worker does the work of a [Dispatcher] and keeps its backlog. All methods may be called concurrently.
type Worker[K comparable, T any] interface {
	// Tenant names whose lane it is. Where lanes wait for each other, tenants take turns, and of each its lanes.
	Tenant(lane K) string
	// Limits tells what bounds the lane now. It is asked often and must be quick.
	Limits(lane K) Limits
	// Gate tells whether the lane may work now. It is asked often and must be quick.
	Gate(lane K) Gate
	// Claim takes at most limit due items out of the backlog, oldest first, and tells when the next of what is left is due: the zero
	// time if nothing is left.
	Claim(ctx context.Context, lane K, limit int) (items []Item[T], next time.Time, err error)
	// Release puts items back into the backlog.
	Release(ctx context.Context, lane K, items []T) error
	// Work works on an item and tells what becomes of it. Once it calls free, another item may start although this one is still
	// being recorded.
	Work(ctx context.Context, lane K, item T, free func()) Again
	// WorkTogether works on a batch as Work does on an item, and tells what becomes of each of its items, in their order.
	WorkTogether(ctx context.Context, lane K, items []T, free func()) []Again
	// Slots reserves the next n starts of a lane whose rate is shared with other processes, one every interval, and returns the time
	// of the first.
	Slots(ctx context.Context, lane K, interval time.Duration, n int) (first time.Time, err error)
}

// Item is a piece of work.
type Item[T any] struct {
	Value T
	// Due is when it may start.
	Due time.Time
	// Weight is about how many bytes it holds.
	Weight int64
	// Batch says with what it goes together. Nil: it goes alone.
	Batch *Batch

	whole *gathering[T] // a batch that is complete is one item of the queue
}

// Again tells what becomes of an item after work on it. The zero value: it is done with.
type Again struct {
	// At is when it is due again.
	At time.Time
	// Keep keeps it in memory until then; otherwise it is in the backlog.
	Keep bool
}

// Limits bound a lane.
type Limits struct {
	// PerSecond is how many items, or batches of them, may start within any second. 0: no limit.
	PerSecond int
	// Concurrency is how many items may be at work. 0: the dispatcher's default.
	Concurrency int
	// Shared says that other processes work on the same lane, so that starts are reserved with Worker.Slots.
	Shared bool
}

// Gate tells whether a lane may work.
type Gate struct {
	// Open: it may. Otherwise nothing starts.
	Open bool
	// Release says of a gate that is not open that it may be so for long: what is in memory goes back to the backlog.
	Release bool
	// Until is when to ask again at the latest. The zero time: when Changed closes.
	Until time.Time
	// Changed closes when to ask again. Nil: never.
	Changed <-chan struct{}
}
