//go:build race

package delivery_test

// raced tells that the race detector is on, which makes tests of long times ten times as long.
const raced = true
