package shape

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/freshet-io/freshet/services/delivery/rawjson"
)

// Envelope is an event as rules match it and targets receive it.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/aws-events.html
type Envelope struct {
	ID, DetailType, Source string
	Account                string // the project
	Time                   time.Time
	Region                 string
	Resources              []string
	Detail                 string // JSON text, taken over as it is
	ReplayName             string // of the replay that put the event again; empty: no such member
}

// JSON returns the envelope's text. Time is in whole seconds, UTC.
func (e Envelope) JSON() []byte {
	b := make([]byte, 0, len(e.Detail)+256+64*len(e.Resources))
	b = append(b, `{"version":"0"`...)
	for _, member := range []Pair{
		{"id", e.ID},
		{"detail-type", e.DetailType},
		{"source", e.Source},
		{"account", e.Account},
		{"time", e.Time.UTC().Format("2006-01-02T15:04:05Z")},
		{"region", e.Region},
	} {
		b = append(b, ',')
		b = appendString(b, member.Key)
		b = append(b, ':')
		b = appendString(b, member.Value)
	}
	if e.ReplayName != "" {
		b = append(b, `,"replay-name":`...)
		b = appendString(b, e.ReplayName)
	}
	b = append(b, `,"resources":[`...)
	for i, resource := range e.Resources {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, resource)
	}
	b = append(b, `],"detail":`...)
	b = append(b, e.Detail...)
	return append(b, '}')
}

// MergeBody adds members to a body that is a JSON object; they win over members of the same name. Any other body is returned as it
// is. The text of the members that stay is not touched.
func MergeBody(body []byte, members []Pair) []byte {
	r := rawjson.NewReader(body)
	if len(members) == 0 || r.Kind() != rawjson.Object {
		return body
	}
	added := map[string]bool{}
	for _, m := range members {
		added[m.Key] = true
	}
	var merged bytes.Buffer
	merged.WriteByte('{')
	comma := func() {
		if merged.Len() > 1 {
			merged.WriteByte(',')
		}
	}
	for r.Enter(); r.More(); {
		key := r.Key()
		value := r.Value()
		if added[rawjson.Text(key)] {
			continue
		}
		comma()
		merged.Write(key)
		merged.WriteByte(':')
		merged.Write(value)
	}
	for _, m := range members {
		comma()
		merged.Write(appendString(nil, m.Key))
		merged.WriteByte(':')
		merged.Write(appendString(nil, m.Value))
	}
	merged.WriteByte('}')
	return merged.Bytes()
}

// appendString appends s as a JSON string, without the escapes for HTML that encoding/json adds by default.
func appendString(b []byte, s string) []byte {
	if plain(s) {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s) // a string cannot fail
	return append(b, bytes.TrimSuffix(buffer.Bytes(), []byte("\n"))...)
}

func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
