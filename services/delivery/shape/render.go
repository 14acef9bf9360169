package shape

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/delivery/rawjson"
)

// Source is what a reserved placeholder of a [Template] stands for.
type Source string

// The sources. The placeholders that are EventBridge's have its meaning; ours begin with "freshet.".
const (
	SourceRule      Source = "rule"           // <freshet.rule>, <aws.events.rule-arn>: the rule's resource name
	SourceRuleID    Source = "rule-id"        // <freshet.rule-id>, <aws.events.rule-name>: the last part of it
	SourceIngestion Source = "ingestion-time" // <freshet.ingestion-time>, <aws.events.event.ingestion-time>: RFC 3339 with milliseconds
	SourceEvent     Source = "event"          // <freshet.event>, <aws.events.event.json>: the event
	SourceEnvelope  Source = "envelope"       // <freshet.envelope>: the event without its detail
	SourceLegacy    Source = "legacy"         // <aws.events.event>: the same in an older shape: detailType, time in epoch milliseconds
)

// sourceNamed returns the source of a reserved placeholder; empty if it is not reserved.
func sourceNamed(placeholder string) Source {
	switch placeholder {
	case "freshet.rule", "aws.events.rule-arn":
		return SourceRule
	case "freshet.rule-id", "aws.events.rule-name":
		return SourceRuleID
	case "freshet.ingestion-time", "aws.events.event.ingestion-time":
		return SourceIngestion
	case "freshet.event", "aws.events.event.json":
		return SourceEvent
	case "freshet.envelope":
		return SourceEnvelope
	case "aws.events.event":
		return SourceLegacy
	}
	return ""
}

// whole tells whether the source is an object.
func (s Source) whole() bool { return s == SourceEvent || s == SourceEnvelope || s == SourceLegacy }

// Occasion is what a [Template] is rendered for.
type Occasion struct {
	Event        []byte // the envelope's JSON
	Rule, RuleID string
	Ingested     time.Time
}

// Render returns the body. With ErrNotJSON, it is what would have been sent.
func (t *Template) Render(o Occasion) ([]byte, error) {
	var out bytes.Buffer
	for _, p := range t.parts {
		out.WriteString(p.text)
		if p.constant {
			continue
		}
		value, ok := o.value(p)
		switch {
		case !ok && t.object && !p.quoted:
			out.WriteString(`""`)
		case !ok:
		case t.object && p.quoted && value[0] == byte(rawjson.String):
			out.Write(value[1 : len(value)-1])
		case t.object:
			out.Write(value)
		case value[0] == byte(rawjson.String):
			out.WriteString(rawjson.Text(value))
		default:
			out.WriteString(strings.ReplaceAll(compact(value), `"`, ""))
		}
	}
	body := out.Bytes()
	if json.Valid(body) {
		return body, nil
	}
	if _, lines, err := jsonValues(body); err != nil || !lines || !t.lines {
		return body, ErrNotJSON
	}
	return body, nil
}

// value is the JSON text of what a placeholder stands for.
func (o Occasion) value(p part) (value []byte, ok bool) {
	switch p.source {
	case SourceRule:
		return appendString(nil, o.Rule), true
	case SourceRuleID:
		return appendString(nil, o.RuleID), true
	case SourceIngestion:
		return appendString(nil, o.Ingested.UTC().Format("2006-01-02T15:04:05.000Z07:00")), true
	case SourceEvent:
		return o.Event, true
	case SourceEnvelope:
		return o.envelope(), true
	case SourceLegacy:
		return o.legacy(), true
	}
	return p.path.Find(o.Event)
}

// envelope is the event without its detail.
func (o Occasion) envelope() []byte {
	var b []byte
	for _, name := range []string{"version", "id", "detail-type", "source", "account", "time", "region", "resources"} {
		if value, ok := rawjson.Member(o.Event, name); ok {
			b = appendMember(b, name, value)
		}
	}
	return append(b, '}')
}

// legacy is the same in the shape that <aws.events.event> has kept from before EventBridge.
func (o Occasion) legacy() []byte {
	var b []byte
	for _, name := range []string{"id", "account", "detail-type", "time", "source", "region", "resources", "version"} {
		value, ok := rawjson.Member(o.Event, name)
		switch {
		case !ok:
			continue
		case name == "detail-type":
			name = "detailType"
		case name == "time":
			if at, err := time.Parse(time.RFC3339, rawjson.Text(value)); err == nil {
				value = strconv.AppendInt(nil, at.UnixMilli(), 10)
			}
		}
		b = appendMember(b, name, value)
	}
	return append(b, '}')
}

// appendMember appends a member to an object that is not closed, or begins it.
func appendMember(b []byte, name string, value []byte) []byte {
	separator := byte(',')
	if len(b) == 0 {
		separator = '{'
	}
	b = append(appendString(append(b, separator), name), ':')
	return append(b, value...)
}

func compact(value []byte) string {
	var b bytes.Buffer
	_ = json.Compact(&b, value) // the event is valid JSON
	return b.String()
}
