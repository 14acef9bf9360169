package schedule_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery/schedule"
)

func parse(t *testing.T, text string) schedule.Expression {
	t.Helper()
	e, err := schedule.Parse(text)
	require.NoError(t, err)
	require.Equal(t, text, e.String())
	return e
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := schedule.Zone(name)
	require.NoError(t, err)
	return z
}

// runs returns the next times as RFC 3339 with the zone's offset.
func runs(t *testing.T, text, in, after string, n int) []string {
	t.Helper()
	e, z := parse(t, text), zone(t, in)
	at, err := time.Parse(time.RFC3339, after)
	require.NoError(t, err)
	var list []string
	for range n {
		var ok bool
		if at, ok = e.Next(at, at, z); !ok {
			break
		}
		list = append(list, at.In(z).Format(time.RFC3339))
	}
	return list
}

func TestCron(t *testing.T) {
	for text, want := range map[string][]string{
		"cron(15 10 * * ? *)":                 {"2026-11-23T10:15:00Z", "2026-11-24T10:15:00Z"},
		"cron(0 18 ? * MON-FRI *)":            {"2026-11-23T18:00:00Z", "2026-11-24T18:00:00Z"},
		"cron(0 8 1 * ? *)":                   {"2026-12-01T08:00:00Z", "2027-01-01T08:00:00Z"},
		"cron(0/10 * ? * mon-Fri *)":          {"2026-11-23T00:00:00Z", "2026-11-23T00:10:00Z"},
		"cron(0/5 8-17 ? * MON-FRI *)":        {"2026-11-23T08:00:00Z", "2026-11-23T08:05:00Z"},
		"cron(0/30 20-2/3 * * ? *)":           nil,
		"cron(0 9 ? * 2#1 *)":                 {"2026-12-07T09:00:00Z", "2027-01-04T09:00:00Z"},
		"cron(0 9 ? * TUE#5 *)":               {"2026-12-29T09:00:00Z", "2027-03-30T09:00:00Z"},
		"cron(0 10 ? * 6L 2027)":              {"2027-01-29T10:00:00Z", "2027-02-26T10:00:00Z"},
		"cron(0 0 L * ? *)":                   {"2026-11-30T00:00:00Z", "2026-12-31T00:00:00Z"},
		"cron(0 0 L FEB ? *)":                 {"2027-02-28T00:00:00Z", "2028-02-29T00:00:00Z"},
		"cron(0 0 LW * ? *)":                  {"2026-11-30T00:00:00Z", "2026-12-31T00:00:00Z", "2027-01-29T00:00:00Z"},
		"cron(0 0 1W * ? *)":                  {"2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z"},
		"cron(0 0 1W 5 ? *)":                  {"2027-05-03T00:00:00Z", "2028-05-01T00:00:00Z"},
		"cron(0 0 15W 11 ? *)":                {"2027-11-15T00:00:00Z", "2028-11-15T00:00:00Z"},
		"cron(0 0 31W 10 ? *)":                {"2027-10-29T00:00:00Z", "2028-10-31T00:00:00Z"},
		"cron(0 0 ? * L *)":                   {"2026-11-28T00:00:00Z", "2026-12-05T00:00:00Z"},
		"cron(0 0 ? * 1,4 *)":                 {"2026-11-25T00:00:00Z", "2026-11-29T00:00:00Z"},
		"cron(59 23 31 12 ? 2198-2199)":       {"2198-12-31T23:59:00Z", "2199-12-31T23:59:00Z"},
		"cron(0 0 29 2 ? *)":                  {"2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"},
		"cron(0 0 29 2 ? 2090-2110)":          {"2092-02-29T00:00:00Z", "2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z"},
		"cron(0 0 30 2 ? *)":                  {},
		"cron(0 0 1 1 ? 2026)":                {},
		"cron(30 12 1/10 * ? 2027/2)":         {"2027-01-01T12:30:00Z", "2027-01-11T12:30:00Z"},
		"cron(1,2-3,*/50 0 ? JAN,3 1-2 2027)": {"2027-01-03T00:00:00Z", "2027-01-03T00:01:00Z", "2027-01-03T00:02:00Z"},
		"cron( 0  0  1  *  ?  * )":            {"2026-12-01T00:00:00Z"},
	} {
		if want == nil {
			_, err := schedule.Parse(text)
			require.Error(t, err, text)
			continue
		}
		got := runs(t, text, "", "2026-11-22T17:00:00Z", max(1, len(want)))
		require.ElementsMatch(t, want, got, text)
	}
}

// TestClocksChange: what EventBridge Scheduler says. A time that the clocks leave out is skipped; one they show twice counts once.
func TestClocksChange(t *testing.T) {
	const berlin, newYork = "Europe/Berlin", "America/New_York"
	require.Equal(t, []string{"2027-03-27T02:30:00+01:00", "2027-03-29T02:30:00+02:00"},
		runs(t, "cron(30 2 * * ? *)", berlin, "2027-03-27T00:00:00Z", 2), "on the 28th there is no 02:30")
	require.Equal(t, []string{"2027-10-30T02:30:00+02:00", "2027-10-31T02:30:00+02:00", "2027-11-01T02:30:00+01:00"},
		runs(t, "cron(30 2 * * ? *)", berlin, "2027-10-30T00:00:00Z", 3), "on the 31st there are two")
	require.Equal(t, []string{"2027-11-07T01:45:00-04:00", "2027-11-07T02:00:00-05:00", "2027-11-07T02:15:00-05:00"},
		runs(t, "cron(0/15 * * * ? *)", newYork, "2027-11-07T01:30:00-04:00", 3))
	require.Equal(t, []string{"2027-11-07T02:00:00-05:00"},
		runs(t, "cron(0/15 * * * ? *)", newYork, "2027-11-07T01:10:00-05:00", 1), "asked for in the hour that is shown twice")
	require.Equal(t, []string{"2027-03-14T01:59:00-05:00", "2027-03-14T03:00:00-04:00"},
		runs(t, "cron(* * * * ? *)", newYork, "2027-03-14T01:58:00-05:00", 2))
	require.Equal(t, []string{"2026-11-23T09:00:00+05:45"}, runs(t, "cron(0 9 * * ? *)", "Asia/Kathmandu", "2026-11-22T17:00:00Z", 1))
	// Lord Howe Island changes by half an hour, Samoa left out a whole day.
	require.Equal(t, []string{"2027-04-04T01:45:00+11:00", "2027-04-05T01:45:00+10:30"},
		runs(t, "cron(45 1 * * ? *)", "Australia/Lord_Howe", "2027-04-03T00:00:00Z", 2)[0:2])
	require.Equal(t, []string{"2011-12-29T12:00:00-10:00", "2011-12-31T12:00:00+14:00"},
		runs(t, "cron(0 12 * * ? *)", "Pacific/Apia", "2011-12-29T12:00:00Z", 2))
	require.Equal(t, []string{"2027-03-28T01:00:00+01:00", "2027-03-29T02:00:00+02:00", "2027-03-30T02:00:00+02:00"},
		rateRuns(t, "rate(1 day)", "2027-03-28T01:00:00+01:00", berlin), "a day of a rate has 24 hours")
}

func rateRuns(t *testing.T, text, anchor, in string) []string {
	t.Helper()
	e := parse(t, text)
	from, err := time.Parse(time.RFC3339, anchor)
	require.NoError(t, err)
	var list []string
	at := from.Add(-1)
	for range 3 {
		at, _ = e.Next(at, from, time.UTC)
		list = append(list, at.In(zone(t, in)).Format(time.RFC3339))
	}
	return list
}

func TestRate(t *testing.T) {
	anchor := time.Date(2026, 11, 22, 17, 0, 0, 500, time.UTC)
	e := parse(t, "rate(7 minutes)")
	first, ok := e.Next(anchor.Add(-time.Hour), anchor, time.UTC)
	require.True(t, ok)
	require.True(t, first.Equal(anchor), "the anchor itself is the first")
	const first7, second7 = 7 * time.Minute, 14 * time.Minute
	for after, want := range map[time.Duration]time.Duration{
		0: first7, first7 - 1: first7, first7: second7, first7 + 1: second7, 100 * time.Hour: 6006 * time.Minute,
		second7 - 499: second7, second7 - 501: second7,
	} {
		at, ok := e.Next(anchor.Add(after), anchor, time.UTC)
		require.True(t, ok)
		require.Equal(t, want, at.Sub(anchor), "after %s", after)
	}
	for text, every := range map[string]time.Duration{
		"rate(1 minute)": time.Minute, "rate(1 minutes)": time.Minute, "rate(2 hours)": 2 * time.Hour, "rate(5 days)": 120 * time.Hour,
	} {
		at, _ := parse(t, text).Next(anchor, anchor, time.UTC)
		require.Equal(t, every, at.Sub(anchor), text)
	}
	_, ok = parse(t, "rate(36500 days)").Next(anchor.AddDate(150, 0, 0), anchor, time.UTC)
	require.False(t, ok, "it ends with the years that there are")
}

func TestAt(t *testing.T) {
	require.Equal(t, []string{"2027-01-31T09:00:05+01:00"}, runs(t, "at(2027-01-31T09:00:05)", "Europe/Berlin", "2026-11-22T17:00:00Z", 2))
	require.Empty(t, runs(t, "at(2026-11-22T17:00:00)", "", "2026-11-22T17:00:00Z", 1))
	require.Empty(t, runs(t, "at(2027-03-28T02:30:00)", "Europe/Berlin", "2026-11-22T17:00:00Z", 1), "no clock shows it")
	require.Equal(t, []string{"2027-10-31T02:30:00+02:00"}, runs(t, "at(2027-10-31T02:30:00)", "Europe/Berlin", "2026-11-22T17:00:00Z", 2))
}

// TestLatest compares with going through all.
func TestLatest(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, text := range []string{"rate(7 minutes)", "rate(3 days)", "cron(0/20 * * 1,3 ? *)", "cron(0 0 29 2 ? *)", "at(2026-01-01T00:00:00)"} {
		e := parse(t, text)
		due, ok := e.Next(begin.Add(-1), begin, time.UTC)
		require.True(t, ok)
		for _, later := range []time.Duration{0, time.Second, 20 * time.Minute, 50 * time.Hour, 200 * 24 * time.Hour} {
			until, want := due.Add(later), due
			for at := due; !at.After(until); {
				want = at
				if at, ok = e.Next(at, begin, time.UTC); !ok {
					break
				}
			}
			require.True(t, want.Equal(e.Latest(due, until, begin, time.UTC)), "%s after %s", text, later)
		}
	}
}

func TestRefused(t *testing.T) {
	for text, says := range map[string]string{
		"":                           "rate(5 minutes)",
		"every(5 minutes)":           `"every" is not known`,
		"rate(5 minutes":             "want rate",
		"rate(5)":                    "a number and a unit",
		"rate(0 minutes)":            "positive",
		"rate(-1 minutes)":           "positive",
		"rate(1.5 hours)":            "positive",
		"rate(5 seconds)":            `"seconds" is no unit`,
		"rate(999999999 days)":       "100 years",
		"cron(* * * * *)":            "not 5",
		"cron(60 * * * ? *)":         "minutes: \"60\" is not valid: want 0 to 59",
		"cron(* 24 * * ? *)":         "hours",
		"cron(* * 32 * ? *)":         "day-of-month",
		"cron(* * * 13 ? *)":         "1 to 12 or JAN to DEC",
		"cron(* * ? * 8 *)":          "1 to 7 or SUN to SAT",
		"cron(* * ? * 0 *)":          "day-of-week",
		"cron(* * * * ? 2200)":       "1970 to 2199",
		"cron(* * * * * *)":          "exactly one",
		"cron(* * ? * ? *)":          "exactly one",
		"cron(*/0 * * * ? *)":        "positive",
		"cron(5- * * * ? *)":         "minutes",
		"cron(5-1 * * * ? *)":        "upwards",
		"cron(, * * * ? *)":          "minutes",
		"cron(* * 32W * ? *)":        "day-of-month",
		"cron(* * ? * 2#6 *)":        "1 to 5 after #",
		"cron(* * ? * #1 *)":         "day-of-week",
		"cron(L * * * ? *)":          "minutes",
		"cron(0 0 W * ? *)":          "day-of-month",
		"at(2027-02-29T00:00:00)":    "exist",
		"at(2027-01-01T00:00:00Z)":   "without a time zone",
		"at(2027-01-01)":             "at(",
		"at(2200-01-01T00:00:00)":    "2199",
		"at(2027-01-01T24:00:00)":    "exist",
		"cron(9999999999 * * * ? *)": "minutes",
	} {
		_, err := schedule.Parse(text)
		require.ErrorContains(t, err, says, text)
	}
	for _, name := range []string{"Local", "Europe/Nowhere", "../etc/passwd", "UTC+1"} {
		_, err := schedule.Zone(name)
		require.ErrorIs(t, err, schedule.ErrZone, name)
	}
}

// FuzzParse: whatever is accepted has times that rise, and each is on a minute where the expression is a cron.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"rate(5 minutes)", "cron(0/15 8-17 ? * MON-FRI,2#1,6L *)", "cron(0 0 L,15W,LW 2/3 ? 2027-2030)", "at(2027-03-28T02:30:00)",
	} {
		f.Add(seed, int64(1_800_000_000))
	}
	berlin, err := schedule.Zone("Europe/Berlin")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text string, from int64) {
		e, err := schedule.Parse(text)
		if err != nil {
			return
		}
		start := time.Unix(from%7_000_000_000, 0)
		for at := start; ; {
			next, ok := e.Next(at, start, berlin)
			if !ok || next.Sub(start) > 100*time.Hour {
				return
			}
			require.True(t, next.After(at), "%s after %s is %s", text, at, next)
			if text[0] == 'c' {
				require.Zero(t, next.Unix()%60)
			}
			at = next
		}
	})
}
