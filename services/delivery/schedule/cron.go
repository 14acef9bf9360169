package schedule

import (
	"fmt"
	"math/bits"
	"strings"
	"time"
)

// cron comes due at every minute that a clock shows and that all fields match. Where the clocks are set forward, times that are left out
// are skipped; where they are set back, a time that is shown twice counts once, the first time.
type cron struct {
	minutes, hours, months set
	years                  [4]set // from minYear
	days                   days
}

// set has the numbers 0 to 63 whose bit is set.
type set uint64

func (s set) has(n int) bool { return s&(1<<n) != 0 }

// from returns the least number of the set that is not less than n; false if there is none.
func (s set) from(n int) (int, bool) {
	if n > 63 {
		return 0, false
	}
	rest := s >> n << n
	return bits.TrailingZeros64(uint64(rest)), rest != 0
}

func parseCron(body string) (form, error) {
	fields := strings.Fields(body)
	if len(fields) != 6 {
		return nil, fmt.Errorf("want six fields, (minutes hours day-of-month month day-of-week year), not %d", len(fields))
	}
	c := &cron{}
	var err error
	if c.minutes, err = minutes().set(fields[0]); err != nil {
		return nil, err
	}
	if c.hours, err = hours().set(fields[1]); err != nil {
		return nil, err
	}
	if c.months, err = months().set(fields[3]); err != nil {
		return nil, err
	}
	if c.days, err = parseDays(fields[2], fields[4]); err != nil {
		return nil, err
	}
	err = years().each(fields[5], func(year int) { c.years[(year-minYear)/64] |= 1 << ((year - minYear) % 64) })
	return c, err
}

func (c *cron) hasYear(year int) bool { return c.years[(year-minYear)/64].has((year - minYear) % 64) }

// next implements form. It looks at dates one after the other, and at the times of those that match.
func (c *cron) next(after, _ time.Time, zone *time.Location) (time.Time, bool) {
	local := after.In(zone)
	if local.Year() < minYear {
		local = time.Date(minYear, 1, 1, 0, 0, 0, 0, zone)
	}
	year, month, day := local.Date()
	hour, minute := local.Hour(), local.Minute()
	for ; year <= maxYear; year, month, day, hour, minute = year+1, 1, 1, 0, 0 {
		if !c.hasYear(year) {
			continue
		}
		for ; month <= 12; month, day, hour, minute = month+1, 1, 0, 0 {
			if !c.months.has(int(month)) {
				continue
			}
			matching := c.days.of(year, month)
			for d, ok := matching.from(day); ok; d, ok = matching.from(d + 1) {
				if d > day {
					hour, minute = 0, 0
				}
				if at, ok := c.nextOn(civil{year, month, d, hour, minute, 0}, after, zone); ok {
					return at, true
				}
			}
		}
	}
	return time.Time{}, false
}

// nextOn returns the first time after the given one on a date, from a time of that date on.
func (c *cron) nextOn(from civil, after time.Time, zone *time.Location) (time.Time, bool) {
	at := from
	for h, ok := c.hours.from(from.hour); ok; h, ok = c.hours.from(h + 1) {
		first := 0
		if h == from.hour {
			first = from.minute
		}
		for m, ok := c.minutes.from(first); ok; m, ok = c.minutes.from(m + 1) {
			at.hour, at.minute = h, m
			if instant, exists := at.instant(zone); exists && instant.After(after) {
				return instant, true
			}
		}
	}
	return time.Time{}, false
}
