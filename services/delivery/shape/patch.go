package shape

import (
	"bytes"

	"github.com/freshet-io/freshet/services/delivery/rawjson"
)

// MergePatch applies a JSON merge patch (RFC 7396) to a text. Both are valid JSON. What the patch does not name is taken over as it is:
// numbers keep their spelling, objects their order; what is new comes last.
func MergePatch(target, patch []byte) []byte {
	p := rawjson.NewReader(patch)
	if p.Kind() != rawjson.Object {
		return bytes.TrimSpace(patch)
	}
	changes := map[string][]byte{}
	var order []string
	for p.Enter(); p.More(); {
		key := rawjson.Text(p.Key())
		if _, given := changes[key]; !given {
			order = append(order, key)
		}
		changes[key] = p.Value()
	}
	merged := []byte{'{'}
	add := func(key, value []byte) {
		if len(merged) > 1 {
			merged = append(merged, ',')
		}
		merged = append(append(append(merged, key...), ':'), value...)
	}
	done := map[string]bool{}
	if t := rawjson.NewReader(target); t.Kind() == rawjson.Object {
		for t.Enter(); t.More(); {
			key, value := t.Key(), t.Value()
			change, changed := changes[rawjson.Text(key)]
			done[rawjson.Text(key)] = true
			switch {
			case !changed:
				add(key, value)
			case !isNull(change):
				add(key, MergePatch(value, change))
			}
		}
	}
	for _, key := range order {
		if change := changes[key]; !done[key] && !isNull(change) {
			add(appendString(nil, key), MergePatch(nil, change))
		}
	}
	return append(merged, '}')
}

func isNull(value []byte) bool { return string(bytes.TrimSpace(value)) == "null" }
