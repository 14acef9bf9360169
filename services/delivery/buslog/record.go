package buslog

import (
	"context"
	"log/slog"
	"strings"
	"time"
)

// message is that of every record.
const message = "bus log"

// maxContent bounds each text of a record's content, in bytes.
const maxContent = 64 << 10

// Subject is what a record is about. Empty fields are left out.
type Subject struct {
	Bus      string // resource name
	Event    string // id
	Delivery string // id; a delivery is what EventBridge calls an invocation
	Rule     string // id
	Target   string // id
}

// Details are what a record says besides: facts always, content only with FullDetail.
type Details struct {
	Facts   []slog.Attr
	Content []slog.Attr
}

// Write writes a step, if c wants it. at is when it happened; zero: now. A record of an Error step is a warning to the logger, since it is
// no fault of the process, and any other is information.
func (c Config) Write(ctx context.Context, logger *slog.Logger, at time.Time, step Step, about Subject, details Details) {
	level := slog.LevelInfo
	if step.Level() == Error {
		level = slog.LevelWarn
	}
	if !c.Wants(step) || !logger.Enabled(ctx, level) {
		return
	}
	if at.IsZero() {
		at = time.Now()
	}
	record := slog.NewRecord(at, level, message, 0)
	record.AddAttrs(slog.String("message_type", step.String()), slog.String("log_level", step.Level().String()))
	for _, id := range []slog.Attr{
		slog.String("bus", about.Bus), slog.String("event_id", about.Event), slog.String("delivery_id", about.Delivery),
		slog.String("rule", about.Rule), slog.String("target", about.Target),
	} {
		if id.Value.String() != "" {
			record.AddAttrs(id)
		}
	}
	if all := c.chosen(details); len(all) > 0 {
		record.AddAttrs(slog.Attr{Key: "details", Value: slog.GroupValue(all...)})
	}
	_ = logger.Handler().Handle(ctx, record) // as slog.Logger does: there is nowhere to tell
}

// chosen returns what is written of details, each text no longer than it may be.
func (c Config) chosen(details Details) []slog.Attr {
	all := append([]slog.Attr(nil), details.Facts...)
	if c.Detail != FullDetail {
		return all
	}
	for _, a := range details.Content {
		if a.Value.Kind() == slog.KindString {
			text := a.Value.String()
			if text == "" {
				continue
			}
			if len(text) > maxContent {
				a.Value = slog.StringValue(strings.ToValidUTF8(text[:maxContent], "") + "…")
			}
		}
		all = append(all, a)
	}
	return all
}
