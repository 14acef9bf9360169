package demo

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

const (
	drawEvery  = 100 * time.Millisecond
	printEvery = time.Second
	barCells   = 20
	newsLines  = 6
)

// ANSI control sequences (ECMA-48, and the private modes of DEC terminals that all emulate).
const (
	enterScreen = "\x1b[?25l\x1b[?7l" // no cursor, long lines are cut and not wrapped
	leaveScreen = "\x1b[?7h\x1b[?25h"
	endOfLine   = "\x1b[K\n" // clears what was there before
)

// frame is everything that is in view at one moment.
type frame struct {
	now               time.Time
	elapsed, duration time.Duration
	rows              []row
	news              []happening
	events, targets   int
	traffic           traffic
}

func (d *demo) frame(now time.Time) frame {
	events, _, targets := d.load.progress()
	news, _ := d.board.since(0)
	return frame{
		now: now, elapsed: now.Sub(d.started), duration: d.config.Duration, rows: d.board.table(), news: news,
		events: events, targets: targets, traffic: d.outside.traffic(),
	}
}

// view keeps what happens in view until ctx ends.
func (d *demo) view(ctx context.Context) error {
	if d.config.Live {
		return d.draw(ctx)
	}
	return d.print(ctx)
}

// draw redraws a screen in place.
func (d *demo) draw(ctx context.Context) error {
	ticker := time.NewTicker(drawEvery)
	defer ticker.Stop()
	up := enterScreen
	for last := false; ; {
		lines := d.frame(time.Now()).screen()
		text := up + strings.Join(lines, endOfLine)
		if last {
			text += leaveScreen // before the end of the line, so that the summary is a line of its own
		}
		if _, err := io.WriteString(d.config.Output, text+endOfLine); err != nil || last {
			return err
		}
		up = fmt.Sprintf("\x1b[%dA\r", len(lines))
		select {
		case <-ctx.Done():
			last = true
		case <-ticker.C:
		}
	}
}

// screen returns always as many lines.
func (f frame) screen() []string {
	lines := []string{fmt.Sprintf("%-10s %-23s %10s  %-*s %11s %14s", "connection", "kind", "generation", barCells+7, "validity left", "last lead", "next refresh")}
	for _, r := range f.rows {
		lines = append(lines, fmt.Sprintf("%-10s %-23s %10d  %-*s %11s %14s", r.id, r.kind, r.generation, barCells+7, f.validity(r), lead(r), f.refresh(r)))
	}
	lines = append(lines, "", fmt.Sprintf("events %d   deliveries %d done, %d pending   attempts %d   401s %d   %s",
		f.events, f.traffic.accepted, f.pending(), f.traffic.calls, f.traffic.unauthorized, f.clock()), "")
	news := f.news[max(0, len(f.news)-newsLines):]
	for _, h := range news {
		lines = append(lines, h.time.Format("15:04:05.00")+"  "+h.text)
	}
	for range newsLines - len(news) {
		lines = append(lines, "")
	}
	return lines
}

func (f frame) pending() int { return max(0, f.targets-f.traffic.accepted) }

func (f frame) clock() string {
	elapsed := f.elapsed.Truncate(time.Second)
	if f.duration > 0 && f.elapsed > f.duration {
		return span(f.duration) + " are over"
	}
	if f.duration > 0 {
		return fmt.Sprintf("%s of %s", span(elapsed), span(f.duration))
	}
	return span(elapsed) + ", Ctrl-C ends"
}

// span writes 1m instead of 1m0s.
func span(d time.Duration) string {
	if d >= time.Minute && d%time.Minute == 0 {
		return strings.TrimSuffix(d.String(), "0s")
	}
	return d.String()
}

// validity is a bar of the life that is left.
func (f frame) validity(r row) string {
	switch {
	case r.state != tokenv1.Token_AUTHORIZED:
		return r.state.String()
	case r.expire.IsZero():
		return "does not expire"
	}
	left, life := r.expire.Sub(f.now), r.expire.Sub(r.issue)
	cells := 0
	if life > 0 {
		cells = min(barCells, max(0, int(float64(barCells)*float64(left)/float64(life)+0.5)))
	}
	return strings.Repeat("█", cells) + strings.Repeat("░", barCells-cells) + fmt.Sprintf(" %5.1fs", left.Seconds())
}

func (f frame) refresh(r row) string {
	if r.refresh.IsZero() {
		return "-"
	}
	return fmt.Sprintf("in %.1fs", max(0, r.refresh.Sub(f.now).Seconds()))
}

func lead(r row) string {
	if !r.rotated {
		return "-"
	}
	return fmt.Sprintf("%.2fs", r.lead.Seconds())
}

// print writes what happens as lines, and how things stand every second.
func (d *demo) print(ctx context.Context) error {
	ticker := time.NewTicker(printEvery)
	defer ticker.Stop()
	seen := 0
	for last := false; ; {
		var text strings.Builder
		var news []happening
		news, seen = d.board.since(seen)
		for _, h := range news {
			text.WriteString(h.text + "\n")
		}
		if last {
			text.WriteString(d.frame(time.Now()).line())
		}
		if _, err := io.WriteString(d.config.Output, text.String()); err != nil || last {
			return err
		}
		select {
		case <-ctx.Done():
			last = true
		case <-d.board.news:
		case now := <-ticker.C:
			if _, err := io.WriteString(d.config.Output, d.frame(now).line()); err != nil {
				return err
			}
		}
	}
}

// line is how things stand, on one line.
func (f frame) line() string {
	var tokens []string
	for _, r := range f.rows {
		text := fmt.Sprintf("%s generation %d", r.id, r.generation)
		switch {
		case r.state != tokenv1.Token_AUTHORIZED:
			text += " " + r.state.String()
		case !r.expire.IsZero():
			text += fmt.Sprintf(" (%.1fs left)", r.expire.Sub(f.now).Seconds())
		}
		tokens = append(tokens, text)
	}
	return fmt.Sprintf("%s: events %d, deliveries %d done %d pending, attempts %d, 401s %d; %s\n", span(f.elapsed.Round(time.Second)),
		f.events, f.traffic.accepted, f.pending(), f.traffic.calls, f.traffic.unauthorized, strings.Join(tokens, ", "))
}

// welcome says what runs where, and how to look at it from another terminal.
func (d *demo) welcome(took time.Duration) string {
	a := d.suite.addrs
	ends := "until Ctrl-C"
	if d.config.Duration > 0 {
		ends = "for " + span(d.config.Duration)
	}
	lines := []string{
		fmt.Sprintf("Freshet is up after %.1fs: tokens that live for %s, %d events a second, %s.", took.Seconds(), span(d.config.TokenLifetime), d.config.Rate, ends),
		"",
		"  REST       http://" + a.HTTP,
		"  gRPC       " + a.GRPC,
		"  admin key  " + a.AdminKeyFile,
		"  log        " + d.folder.logPath(),
		"",
		"Look at it from another terminal:",
		fmt.Sprintf(`  curl -H "x-api-key: $(cat %s)" http://%s/v1/projects/default/connections/crm`, a.AdminKeyFile, a.HTTP),
		fmt.Sprintf("  freshet token watch crm --server %s --admin-key-file %s", a.GRPC, a.AdminKeyFile),
		"",
	}
	return strings.Join(lines, "\n") + "\n"
}
