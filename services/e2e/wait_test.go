package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// patience is for what happens at once on an idle machine. Tests run on loaded ones.
	patience = time.Minute
	// look is the time between two looks at a state that cannot be watched.
	look = 20 * time.Millisecond
)

// eventually looks until the condition returns nil, and fails with its last answer.
func eventually(t testing.TB, what string, within time.Duration, condition func() error) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	again := time.NewTicker(look)
	defer again.Stop()
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-deadline.C:
			require.FailNow(t, what, "not within %v: %v", within, err)
		case <-t.Context().Done():
			require.FailNow(t, what, "the test ended: %v", err)
		}
	}
}

// on is a condition's answer: nil if ok, else what is found instead.
func on(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// await receives from c.
func await[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v = <-c:
	case <-timer.C:
		require.FailNow(t, what, "not within %v", patience)
	}
	return v
}
