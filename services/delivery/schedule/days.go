package schedule

import (
	"fmt"
	"strings"
	"time"
)

// days is the pair of the fields day-of-month and day-of-week, of which exactly one is `?`.
type days struct {
	ofMonth  set
	lastDay  bool // L
	workdays set  // nW: the weekday nearest to day n, in the same month
	lastWork bool // LW
	ofWeek   set
	last     set    // nL: the last such day of the month
	nth      [6]set // n#k at [k]
}

func parseDays(ofMonth, ofWeek string) (days, error) {
	var d days
	if (ofMonth == "?") == (ofWeek == "?") {
		return d, fmt.Errorf("exactly one of day-of-month and day-of-week must be ?")
	}
	text, parse := ofMonth, d.parseOfMonth
	if ofMonth == "?" {
		text, parse = ofWeek, d.parseOfWeek
	}
	for part := range strings.SplitSeq(text, ",") {
		if err := parse(part); err != nil {
			return d, err
		}
	}
	return d, nil
}

func (d *days) parseOfMonth(part string) error {
	switch upper := strings.ToUpper(part); {
	case upper == "L":
		d.lastDay = true
	case upper == "LW":
		d.lastWork = true
	case strings.HasSuffix(upper, "W"):
		n, err := daysOfMonth().value(strings.TrimSuffix(upper, "W"))
		if err != nil {
			return err
		}
		d.workdays |= 1 << n
	default:
		return daysOfMonth().each(part, func(n int) { d.ofMonth |= 1 << n })
	}
	return nil
}

func (d *days) parseOfWeek(part string) error {
	day, nth, numbered := strings.Cut(part, "#")
	switch upper := strings.ToUpper(part); {
	case numbered:
		n, err := daysOfWeek().value(day)
		if err != nil {
			return err
		}
		k, err := parseNumber(nth)
		if err != nil || k < 1 || k > 5 {
			return daysOfWeek().wrong(part, "want 1 to 5 after #")
		}
		d.nth[k] |= 1 << n
	case upper == "L": // the last day of the week
		d.ofWeek |= 1 << daysOfWeek().max
	case strings.HasSuffix(upper, "L"):
		n, err := daysOfWeek().value(strings.TrimSuffix(upper, "L"))
		if err != nil {
			return err
		}
		d.last |= 1 << n
	default:
		return daysOfWeek().each(part, func(n int) { d.ofWeek |= 1 << n })
	}
	return nil
}

// of returns the days of a month that match.
func (d *days) of(year int, month time.Month) set {
	count := daysIn(year, month)
	first := weekday(year, month, 1)
	var matching set
	for day := 1; day <= count; day++ {
		week := (first+day-2)%7 + 1
		if d.ofMonth.has(day) || d.lastDay && day == count || d.ofWeek.has(week) ||
			d.last.has(week) && day+7 > count || d.nth[(day-1)/7+1].has(week) {
			matching |= 1 << day
		}
		if d.workdays.has(day) {
			matching |= 1 << nearestWorkday(day, week, count)
		}
	}
	if d.lastWork {
		matching |= 1 << nearestWorkday(count, (first+count-2)%7+1, count)
	}
	return matching
}

// nearestWorkday returns the day from Monday to Friday that is nearest to a day, without leaving the month.
func nearestWorkday(day, week, count int) int {
	switch {
	case week == 7 && day == 1:
		return 3
	case week == 7:
		return day - 1
	case week == 1 && day == count:
		return day - 2
	case week == 1:
		return day + 1
	}
	return day
}
