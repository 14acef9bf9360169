package commands

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
)

// line is an event and the line of the file that it stands on; 0 if it stands in none.
type line struct {
	number int
	entry  *deliveryv1.PutEventsRequestEntry
}

// size is how the service counts it.
func (l line) size() int {
	n := 14 + len(l.entry.GetSource()) + len(l.entry.GetDetailType()) + len(l.entry.GetDetail())
	for _, resource := range l.entry.GetResources() {
		n += len(resource)
	}
	return n
}

// lines reads events, a JSON object a line. Empty lines are skipped.
type lines struct {
	reader *bufio.Reader
	number int
}

func newLines(r io.Reader) *lines { return &lines{reader: bufio.NewReaderSize(r, 64<<10)} }

// next returns the next event, io.EOF after the last.
func (l *lines) next() (line, error) {
	for {
		text, err := l.reader.ReadBytes('\n')
		if err != nil && (!errors.Is(err, io.EOF) || len(text) == 0) {
			return line{}, err
		}
		l.number++
		if text = bytes.TrimSpace(text); len(text) == 0 {
			continue
		}
		entry, err := parseEntry(text)
		if err != nil {
			return line{}, fmt.Errorf("line %d: %w", l.number, err)
		}
		return line{number: l.number, entry: entry}, nil
	}
}

// parseEntry reads an event. Its detail may be an object, which keeps its spelling, or the text of one.
func parseEntry(text []byte) (*deliveryv1.PutEventsRequestEntry, error) {
	var event struct {
		Source     string          `json:"source"`
		DetailType string          `json:"detailType"`
		Detail     json.RawMessage `json:"detail"`
		Resources  []string        `json:"resources"`
		Time       *time.Time      `json:"time"`
		DedupID    string          `json:"deduplicationId"`
		GroupID    string          `json:"messageGroupId"`
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&event); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one JSON object")
	}
	entry := &deliveryv1.PutEventsRequestEntry{
		Source: event.Source, DetailType: event.DetailType, Detail: string(event.Detail), Resources: event.Resources,
		DeduplicationId: event.DedupID, MessageGroupId: event.GroupID,
	}
	if bytes.HasPrefix(event.Detail, []byte(`"`)) {
		if err := json.Unmarshal(event.Detail, &entry.Detail); err != nil {
			return nil, err
		}
	}
	if event.Time != nil {
		entry.Time = timestamppb.New(*event.Time)
	}
	return entry, nil
}
