package schedule

import (
	"fmt"
	"strings"
)

// field is one of the simple fields of a cron expression: `*`, numbers, names, ranges `a-b`, steps `a/n`, `*/n` and `a-b/n`, and lists of
// them.
type field struct {
	name     string
	min, max int
	names    []string // of min, min+1 …
}

func minutes() field     { return field{"minutes", 0, 59, nil} }
func hours() field       { return field{"hours", 0, 23, nil} }
func daysOfMonth() field { return field{"day-of-month", 1, 31, nil} }
func years() field       { return field{"year", minYear, maxYear, nil} }

func months() field {
	return field{"month", 1, 12, []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}}
}

func daysOfWeek() field {
	return field{"day-of-week", 1, 7, []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}}
}

func (f field) set(text string) (set, error) {
	var s set
	err := f.each(text, func(n int) { s |= 1 << n })
	return s, err
}

// each calls add for every number that the text stands for.
func (f field) each(text string, add func(int)) error {
	for part := range strings.SplitSeq(text, ",") {
		from, to, step, err := f.span(part)
		if err != nil {
			return err
		}
		for n := from; n <= to; n += step {
			add(n)
		}
	}
	return nil
}

func (f field) span(part string) (from, to, step int, err error) {
	base, every, stepped := strings.Cut(part, "/")
	step = 1
	if stepped {
		if step, err = parseNumber(every); err != nil || step == 0 {
			return 0, 0, 0, f.wrong(part, "the step after / must be a positive number")
		}
	}
	first, last, ranged := strings.Cut(base, "-")
	switch {
	case base == "*":
		return f.min, f.max, step, nil
	case ranged:
		if from, err = f.value(first); err == nil {
			to, err = f.value(last)
		}
		if err == nil && to < from {
			err = f.wrong(part, "a range must go upwards; write the two parts of one that goes over the end as a list")
		}
		return from, to, step, err
	}
	if from, err = f.value(base); err != nil {
		return 0, 0, 0, err
	}
	if stepped {
		return from, f.max, step, nil
	}
	return from, from, step, nil
}

// value parses a number or a name.
func (f field) value(text string) (int, error) {
	for i, name := range f.names {
		if strings.EqualFold(text, name) {
			return f.min + i, nil
		}
	}
	n, err := parseNumber(text)
	if err != nil || n < f.min || n > f.max {
		allowed := fmt.Sprintf("want %d to %d", f.min, f.max)
		if f.names != nil {
			allowed += " or " + f.names[0] + " to " + f.names[len(f.names)-1]
		}
		return 0, f.wrong(text, allowed)
	}
	return n, nil
}

func (f field) wrong(text, reason string) error {
	return fmt.Errorf("%s: %.40q is not valid: %s", f.name, text, reason)
}
