package commands

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const redacted = "[redacted]"

// compactJSON is the message as one line of JSON. protojson varies its spacing on purpose; ours stays the same.
func compactJSON(m proto.Message) ([]byte, error) {
	text, err := protojson.Marshal(m)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = json.Compact(&out, text)
	return out.Bytes(), err
}

// printJSON prints the message as one JSON document.
func printJSON(w io.Writer, m proto.Message) error {
	text, err := compactJSON(m)
	if err != nil {
		return err
	}
	return printIndented(w, text)
}

// printJSONList prints {"key": [items…]}.
func printJSONList[M proto.Message](w io.Writer, key string, items []M) error {
	list := make([]json.RawMessage, len(items))
	for i, item := range items {
		text, err := compactJSON(item)
		if err != nil {
			return err
		}
		list[i] = text
	}
	text, err := json.Marshal(map[string][]json.RawMessage{key: list})
	if err != nil {
		return err
	}
	return printIndented(w, text)
}

func printIndented(w io.Writer, text []byte) error {
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		return err
	}
	out.WriteByte('\n')
	_, err := w.Write(out.Bytes())
	return err
}

// withoutSecrets returns a copy of m in which every value that its contract marks as a secret is replaced.
func withoutSecrets[M proto.Message](m M) M {
	out := proto.CloneOf(m)
	redact(out.ProtoReflect())
	return out
}

func redact(m protoreflect.Message) {
	m.Range(func(fd protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		options, _ := fd.Options().(*descriptorpb.FieldOptions)
		switch {
		case fd.Kind() == protoreflect.StringKind && !fd.IsList() && options.GetDebugRedact():
			m.Set(fd, protoreflect.ValueOfString(redacted))
		case fd.IsMap() || fd.Message() == nil: // the contracts have no map of messages
		case fd.IsList():
			for i := range value.List().Len() {
				redact(value.List().Get(i).Message())
			}
		default:
			redact(value.Message())
		}
		return true
	})
}

// table prints aligned columns. A row of another length than the header's is fine.
type table struct{ w *tabwriter.Writer }

func newTable(w io.Writer, header ...string) table {
	t := table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	if len(header) > 0 {
		t.row(header...)
	}
	return t
}

func (t table) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = printable(cell)
	}
	// Without trailing spaces where the last cells are empty.
	_, _ = fmt.Fprintln(t.w, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
}

// property prints a name and its value, unless that is empty.
func (t table) property(name, value string) {
	if value != "" {
		t.row(name+":", value)
	}
}

func (t table) flush() error { return t.w.Flush() }

// printable escapes what could move a terminal's cursor: texts from elsewhere, such as answers of destinations, are printed too.
func printable(text string) string {
	if !strings.ContainsFunc(text, unprintable) {
		return text
	}
	quoted := strconv.Quote(text)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

func unprintable(r rune) bool { return !strconv.IsPrint(r) }

// relative says how far a time is away: `in 3m12s`, `4s ago`; empty for none.
func relative(at *timestamppb.Timestamp, now time.Time) string {
	if at == nil {
		return ""
	}
	switch d := at.AsTime().Sub(now); {
	case d >= time.Second:
		return "in " + span(d)
	case d <= -time.Second:
		return span(-d) + " ago"
	default:
		return "now"
	}
}

// span writes a duration in its two largest units.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return strconv.Itoa(int(d/day)) + "d" + strconv.Itoa(int(d%day/time.Hour)) + "h"
	case d >= time.Hour:
		return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
	case d >= time.Second:
		return d.Truncate(time.Second).String()
	default:
		return d.Round(100 * time.Microsecond).String()
	}
}

// absolute is a time for a table in which the moment counts, in UTC.
func absolute(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05Z") }

// last is the last part of a resource name.
func last(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// plural is `1 event`, `2 events`.
func plural(n int, one string) string {
	switch {
	case n == 1:
		return "1 " + one
	case strings.HasSuffix(one, "y"):
		return strconv.Itoa(n) + " " + strings.TrimSuffix(one, "y") + "ies"
	default:
		return strconv.Itoa(n) + " " + one + "s"
	}
}
