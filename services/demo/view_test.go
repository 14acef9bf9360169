package demo

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

func token(generation int64, state tokenv1.Token_State, issue time.Time, life time.Duration) *tokenv1.Token {
	t := &tokenv1.Token{Generation: generation, State: state, IssueTime: timestamppb.New(issue)}
	if life > 0 {
		t.ExpireTime, t.NextRefreshTime = timestamppb.New(issue.Add(life)), timestamppb.New(issue.Add(life/2))
	}
	return t
}

// filled is a board on which something happened, a second after start.
func filled(start time.Time) *board {
	b := newBoard()
	b.arrived("crm", token(1, tokenv1.Token_AUTHORIZED, start.Add(-5*time.Second), 5*time.Second+250*time.Millisecond), start)
	b.arrived("crm", token(1, tokenv1.Token_AUTHORIZED, start.Add(-5*time.Second), 5*time.Second+250*time.Millisecond), start)
	b.arrived("crm", token(2, tokenv1.Token_AUTHORIZED, start, 5*time.Second), start)
	b.arrived("crm", token(3, tokenv1.Token_AUTHORIZED, start, 5*time.Second), start.Add(time.Second))
	b.arrived("billing", token(1, tokenv1.Token_AUTHORIZED, start, 5*time.Second), start)
	b.arrived("billing", token(1, tokenv1.Token_FAILED_CONNECTIVITY, start, 5*time.Second), start)
	b.arrived("warehouse", token(1, tokenv1.Token_AUTHORIZED, start, 0), start)
	b.arrived("warehouse", token(2, tokenv1.Token_AUTHORIZED, start, 0), start)
	return b
}

func TestBoardMeasuresLeadOnArrival(t *testing.T) {
	start := time.Now()
	b := filled(start)
	pushes, lead := b.pushed()
	require.Equal(t, 3, pushes)
	require.InDelta(t, 250*time.Millisecond, lead, float64(time.Millisecond))

	b.arrived("crm", token(4, tokenv1.Token_AUTHORIZED, start.Add(6*time.Second), 5*time.Second), start.Add(6*time.Second))
	_, lead = b.pushed()
	require.InDelta(t, -time.Second, lead, float64(time.Millisecond), "a generation that came too late shows")
}

func TestBoardForgetsOldHappenings(t *testing.T) {
	b := newBoard()
	b.tell("first")
	news, seen := b.since(0)
	require.Len(t, news, 1)
	for i := range 2 * maxHappenings {
		b.tell("next %d", i)
	}
	for range 2 {
		b.tell("last\x1b[2J\n")
	}
	news, seen = b.since(seen)
	require.Len(t, news, maxHappenings)
	require.Equal(t, "last [2J", news[maxHappenings-1].text, "once, on one line")
	require.NotEqual(t, "last [2J", news[maxHappenings-2].text)
	news, _ = b.since(seen)
	require.Empty(t, news)
}

func exampleFrame(start time.Time) frame {
	b := filled(start)
	news, _ := b.since(0)
	return frame{
		now: start.Add(time.Second), elapsed: time.Second, duration: 30 * time.Second, rows: b.table(), news: news,
		events: 20, targets: 40, traffic: traffic{calls: 39, accepted: 38, unauthorized: 1},
	}
}

func TestScreen(t *testing.T) {
	start := time.Date(2026, 11, 22, 14, 3, 22, 0, time.Local)
	want := `
connection kind                    generation  validity left                 last lead   next refresh
crm        OAuth, secret in header          3  ████████████████░░░░   4.0s       4.00s        in 1.5s
billing    OAuth, secret in body            1  FAILED_CONNECTIVITY                   -        in 1.5s
warehouse  API key                          2  does not expire                       -              -
ledger     Basic                            0  STATE_UNSPECIFIED                     -              -

events 20   deliveries 38 done, 2 pending   attempts 39   401s 1   1s of 30s

14:03:22.00  rotation crm generation 2 pushed with 0.25s left
14:03:23.00  rotation crm generation 3 pushed with 4.00s left
14:03:22.00  billing is FAILED_CONNECTIVITY
14:03:22.00  rotation warehouse generation 2 pushed
`
	f := exampleFrame(start)
	got := f.screen()
	require.Equal(t, strings.TrimPrefix(want, "\n"), strings.Join(got[:len(got)-2], "\n")+"\n")

	f.news = append(f.news, f.news...)
	require.Len(t, f.screen(), len(got), "what is redrawn keeps its height")
	f.duration = time.Minute
	require.Contains(t, f.screen()[6], "1s of 1m")
	f.duration = 0
	require.Contains(t, f.screen()[6], "1s, Ctrl-C ends")
	f.duration, f.elapsed = 30*time.Second, 31*time.Second
	require.Contains(t, f.screen()[6], "30s are over")
}

func TestLine(t *testing.T) {
	require.Equal(t, "1s: events 20, deliveries 38 done 2 pending, attempts 39, 401s 1; crm generation 3 (4.0s left), "+
		"billing generation 1 FAILED_CONNECTIVITY, warehouse generation 2, ledger generation 0 STATE_UNSPECIFIED\n",
		exampleFrame(time.Now()).line())
}
