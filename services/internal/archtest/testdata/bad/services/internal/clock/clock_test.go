package clock_test

import (
	"testing"
	"testing/synctest"
	"time"
)

func bubble(t *testing.T, f func(*testing.T)) { synctest.Test(t, f) }

func pass(d time.Duration) { time.Sleep(d) }

func TestInBubble(t *testing.T) {
	synctest.Test(t, func(*testing.T) { time.Sleep(time.Hour) })
	bubble(t, func(*testing.T) { pass(time.Hour) })
}

func TestByTheClock(t *testing.T) {
	time.Sleep(time.Second) // want no-sleep
	pass(time.Second)       // want no-sleep
}

func TestSkipped(t *testing.T) {
	t.Skip("later") // want no-skip
}
