package dispatch

// queue is a heap of items by due time; items due at the same time keep their order.
type queue[T any] struct {
	items []queued[T]
	count uint64
}

type queued[T any] struct {
	Item[T]
	number uint64
}

func (q *queue[T]) Len() int { return len(q.items) }

func (q *queue[T]) Less(i, j int) bool {
	a, b := q.items[i], q.items[j]
	if a.Due.Equal(b.Due) {
		return a.number < b.number
	}
	return a.Due.Before(b.Due)
}

func (q *queue[T]) Swap(i, j int) { q.items[i], q.items[j] = q.items[j], q.items[i] }

// Push implements heap.Interface. x is an Item[T].
func (q *queue[T]) Push(x any) {
	item, _ := x.(Item[T])
	q.count++
	q.items = append(q.items, queued[T]{Item: item, number: q.count})
}

// Pop implements heap.Interface.
func (q *queue[T]) Pop() any {
	last := len(q.items) - 1
	item := q.items[last].Item
	q.items[last] = queued[T]{}
	q.items = q.items[:last]
	return item
}
