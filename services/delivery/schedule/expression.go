package schedule

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxLength bounds an expression, in bytes.
const maxLength = 256

// Expression is a parsed schedule expression. It is immutable.
//
// The language, and the rules for changes of the clocks, are those of EventBridge Scheduler:
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
type Expression struct {
	text string
	form form
}

// form is one of the three kinds of expressions.
type form interface {
	// next returns the first time after the given one; false if there is none. Both are instants.
	next(after, anchor time.Time, zone *time.Location) (time.Time, bool)
}

// Parse parses `rate(…)`, `cron(…)` or `at(…)`. The error says what is wrong, for people.
func Parse(text string) (Expression, error) {
	if len(text) > maxLength {
		return Expression{}, fmt.Errorf("must have at most %d characters", maxLength)
	}
	name, rest, found := strings.Cut(text, "(")
	body, closed := strings.CutSuffix(rest, ")")
	if !found || !closed {
		return Expression{}, fmt.Errorf("want rate(…), cron(…) or at(…), for instance rate(5 minutes)")
	}
	var f form
	var err error
	switch name {
	case "rate":
		f, err = parseRate(body)
	case "cron":
		f, err = parseCron(body)
	case "at":
		f, err = parseAt(body)
	default:
		err = fmt.Errorf("%.20q is not known: want rate(…), cron(…) or at(…)", name)
	}
	return Expression{text, f}, err
}

// String returns the expression as it was parsed.
func (e Expression) String() string { return e.text }

// Next returns the first time after the given one at which the expression comes due; false if there is none. Times of cron and at are
// read in the zone. A rate counts from the anchor, at which it comes due for the first time; cron and at ignore it.
func (e Expression) Next(after, anchor time.Time, zone *time.Location) (time.Time, bool) {
	return e.form.next(after, anchor, zone)
}

// Latest returns the last time not after until at which the expression comes due, of those not before due, which is one of them. It
// costs little also where very many lie between.
func (e Expression) Latest(due, until, anchor time.Time, zone *time.Location) time.Time {
	for back := time.Minute; ; back *= 8 {
		from := until.Add(-back)
		if !from.After(due) {
			from = due.Add(-1)
		}
		latest, some := time.Time{}, false
		for at := from; ; some = true {
			next, ok := e.Next(at, anchor, zone)
			if !ok || next.After(until) {
				break
			}
			at, latest = next, next
		}
		if some {
			return latest
		}
		if from.Before(due) {
			return due
		}
	}
}

// rate comes due again and again after a fixed time. A day is 24 hours, also where the clocks change.
type rate struct{ every time.Duration }

// maxRate bounds a rate.
const maxRate = 100 * 365 * 24 * time.Hour

func parseRate(body string) (form, error) {
	units := map[string]time.Duration{
		"minute": time.Minute, "minutes": time.Minute, "hour": time.Hour, "hours": time.Hour,
		"day": 24 * time.Hour, "days": 24 * time.Hour,
	}
	fields := strings.Fields(body)
	if len(fields) != 2 {
		return nil, fmt.Errorf("want a number and a unit, for instance rate(5 minutes)")
	}
	n, err := parseNumber(fields[0])
	if err != nil || n == 0 {
		return nil, fmt.Errorf("%.20q is no positive whole number", fields[0])
	}
	unit, ok := units[fields[1]]
	if !ok {
		return nil, fmt.Errorf("%.20q is no unit: want minute, minutes, hour, hours, day or days", fields[1])
	}
	if n > int(maxRate/unit) {
		return nil, fmt.Errorf("the rate must be at most 100 years")
	}
	return rate{unit * time.Duration(n)}, nil
}

func (r rate) next(after, anchor time.Time, _ *time.Location) (time.Time, bool) {
	if after.Before(anchor) {
		return anchor, true
	}
	// A duration is at most 292 years, so the steps are counted in seconds, of which every rate is a whole number.
	every := int64(r.every / time.Second)
	steps := (after.Unix()-anchor.Unix())/every + 1
	at := time.Unix(anchor.Unix()+steps*every, int64(anchor.Nanosecond()))
	if earlier := at.Add(-r.every); earlier.After(after) {
		at = earlier
	}
	return at, at.Year() <= maxYear
}

// at comes due once.
type once struct{ civil civil }

func parseAt(body string) (form, error) {
	t, err := time.Parse("2006-01-02T15:04:05", body)
	if err != nil {
		return nil, fmt.Errorf("want a date and time that exist, as in at(2027-01-31T09:00:00), without a time zone")
	}
	if t.Year() < minYear || t.Year() > maxYear {
		return nil, fmt.Errorf("the year must be from %d to %d", minYear, maxYear)
	}
	return once{civilOf(t)}, nil
}

func (o once) next(after, _ time.Time, zone *time.Location) (time.Time, bool) {
	at, ok := o.civil.instant(zone)
	return at, ok && at.After(after)
}

// parseNumber parses digits, without a sign and at most nine of them.
func parseNumber(text string) (int, error) {
	if text == "" || len(text) > 9 || strings.Trim(text, "0123456789") != "" {
		return 0, fmt.Errorf("%.20q is no number", text)
	}
	return strconv.Atoi(text)
}
