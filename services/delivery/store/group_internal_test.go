package store

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestGroupIsFair: of a crowd of one project and a few of another, the few are in the next transaction, and each project's calls keep their
// order.
func TestGroupIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type item struct {
			project string
			number  int
		}
		var transactions [][]item
		next := make(chan struct{})
		g := group[item]{
			project: func(i item) string { return i.project },
			run: func(_ context.Context, calls []*call[item]) {
				<-next
				var items []item
				for _, c := range calls {
					items = append(items, c.item)
				}
				transactions = append(transactions, items)
			},
		}
		var callers sync.WaitGroup
		put := func(project string, n int) {
			for i := range n {
				callers.Go(func() { _ = g.do(context.Background(), item{project, i}) })
				synctest.Wait()
			}
		}
		put("large", 1) // runs alone
		put("large", 3*maxGroup)
		put("small", 3)
		close(next)
		callers.Wait()
		require.Len(t, transactions, 5)
		require.Equal(t, []item{{"large", 0}, {"small", 0}, {"large", 1}, {"small", 1}, {"large", 2}, {"small", 2}, {"large", 3}}, transactions[1][:7])
		numbers := 0
		for _, items := range transactions[1:] {
			require.LessOrEqual(t, len(items), maxGroup)
			for _, i := range items {
				if i.project == "large" {
					require.Equal(t, numbers, i.number)
					numbers++
				}
			}
		}
		require.Equal(t, 3*maxGroup, numbers)
	})
}

// TestGroupLingers: calls wait for company, but not if one of them is pressing, nor if there are enough.
func TestGroupLingers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const linger = time.Second
		var sizes []int
		g := group[bool]{
			project: func(bool) string { return "" }, linger: linger, pressing: func(pressing bool) bool { return pressing },
			run: func(_ context.Context, calls []*call[bool]) { sizes = append(sizes, len(calls)) },
		}
		var callers sync.WaitGroup
		took := func(puts ...bool) time.Duration {
			begin := time.Now()
			for _, pressing := range puts {
				callers.Go(func() { require.NoError(t, g.do(context.Background(), pressing)) })
				synctest.Wait()
			}
			callers.Wait()
			return time.Since(begin)
		}
		require.Equal(t, linger, took(false, false, false))
		require.Zero(t, took(true))
		require.Zero(t, took(false, false, true))
		require.Zero(t, took(make([]bool, enough)...))
		require.Equal(t, []int{3, 1, 3, enough}, sizes)
	})
}
