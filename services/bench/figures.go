package bench

import (
	"math"
	"slices"
	"time"
)

// percentile is the nearest-rank percentile of times, which it sorts; 0 of none.
func percentile(times []time.Duration, percent int) time.Duration {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[max(0, (len(times)*percent+99)/100-1)]
}

func ms(d time.Duration) float64 { return rounded(float64(d) / float64(time.Millisecond)) }

func mib(bytes int64) float64 { return rounded(float64(bytes) / (1 << 20)) }

// perSecond is a rate, 0 if no time passed.
func perSecond(n int, d time.Duration) float64 { return rounded(quotient(float64(n), d.Seconds())) }

func perThousand(d time.Duration, n int) float64 {
	return rounded(quotient(d.Seconds()*1000, float64(n)))
}

func quotient(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// rounded keeps four significant digits after the point, which is more than any figure is worth.
func rounded(f float64) float64 { return math.Round(f*10_000) / 10_000 }

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
