package schedule

import (
	"errors"
	"fmt"
	"time"
	_ "time/tzdata" // zones are known wherever the program runs, also in an image without files
)

// Years that expressions may name, as in EventBridge.
const (
	minYear = 1970
	maxYear = 2199
)

// ErrZone means that a time zone is not known.
var ErrZone = errors.New("no such time zone")

// Zone returns a time zone of the IANA database by its name, for instance Europe/Berlin; "" is UTC. ErrZone.
func Zone(name string) (*time.Location, error) {
	if name == "Local" { // that of the machine, which is nobody's intention
		return nil, fmt.Errorf("%w: %q", ErrZone, name)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %.60q; want a name of the IANA database, for instance Europe/Berlin", ErrZone, name)
	}
	return zone, nil
}

// civil is a date and time on a wall clock.
type civil struct {
	year                 int
	month                time.Month
	day                  int
	hour, minute, second int
}

func civilOf(t time.Time) civil {
	return civil{t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second()}
}

func (c civil) in(zone *time.Location) time.Time {
	return time.Date(c.year, c.month, c.day, c.hour, c.minute, c.second, 0, zone)
}

// instant returns when a clock of the zone shows the time: the first time if it does so twice, because the clocks were set back; false if
// it never does, because they were set forward over it.
func (c civil) instant(zone *time.Location) (time.Time, bool) {
	near := c.in(zone)
	begin, end := near.ZoneBounds()
	clock := c.in(time.UTC).Unix()
	var first time.Time
	for _, in := range []time.Time{begin.Add(-1), near, end} { // the zone's offset before, then, and after
		_, offset := in.In(zone).Zone()
		at := time.Unix(clock-int64(offset), 0)
		if civilOf(at.In(zone)) == c && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first, !first.IsZero()
}

// daysIn returns the number of days of a month.
func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// weekday returns the day of the week of a date, Sunday 1 to Saturday 7.
func weekday(year int, month time.Month, day int) int {
	return int(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Weekday()) + 1
}
