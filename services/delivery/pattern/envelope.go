package pattern

import (
	"fmt"
	"time"

	"github.com/freshet-io/freshet/services/delivery/rawjson"
)

// EnvelopeFault is what is wrong with a text that should be a whole event.
type EnvelopeFault struct {
	// Member is the one that is wrong; empty: the text as a whole.
	Member string
	// Reason says what is wrong and what is allowed.
	Reason string
}

// CheckEnvelope returns what keeps a text from being an event as EventBridge's TestEventPattern wants it: the members id, detail-type,
// source, account, time, region and resources must be there (https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_TestEventPattern.html).
func CheckEnvelope(event []byte) []EnvelopeFault {
	if _, ok := rawjson.CheckObject(event); !ok {
		return []EnvelopeFault{{Reason: "must be the text of a JSON object"}}
	}
	var faults []EnvelopeFault
	note := func(member, format string, args ...any) {
		faults = append(faults, EnvelopeFault{member, fmt.Sprintf(format, args...)})
	}
	for _, member := range []string{"id", "detail-type", "source", "account", "time", "region"} {
		value, ok := rawjson.Member(event, member)
		switch {
		case !ok:
			note(member, "is missing: an event has %s, a string", member)
		case value[0] != byte(rawjson.String):
			note(member, "must be a string")
		case member == "time":
			if _, err := time.Parse(time.RFC3339, rawjson.Text(value)); err != nil {
				note(member, "must be a time as in RFC 3339, for instance 2026-01-31T12:00:00Z")
			}
		}
	}
	if resources, ok := rawjson.Member(event, "resources"); !ok {
		note("resources", "is missing: an event has resources, an array of strings, which may be empty")
	} else if !onlyStrings(resources) {
		note("resources", "must be an array of strings")
	}
	if detail, ok := rawjson.Member(event, "detail"); ok && detail[0] != byte(rawjson.Object) {
		note("detail", "must be an object")
	}
	return faults
}

func onlyStrings(array []byte) bool {
	r := rawjson.NewReader(array)
	if r.Kind() != rawjson.Array {
		return false
	}
	for r.Enter(); r.More(); r.Value() {
		if r.Kind() != rawjson.String {
			return false
		}
	}
	return true
}
