package pattern_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery/pattern"
)

// FuzzMatch compares the matcher with a naive reading of the rules: every choice of array elements is tried.
func FuzzMatch(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"a":["x"]}`, `{"a":"x"}`},
		{`{"a":{"b":[1,2.50]}}`, `{"a":[{"b":1},{"b":[2.5]}]}`},
		{`{"a":{"b":[1],"c":[null,true]}}`, `{"a":[{"b":1,"c":false},{"b":1,"c":null}]}`},
		{`{"a.b":["::1"]}`, `{"a":{"b":"0:0:0:0:0:0:0:1"}}`},
		{`{"a":["x"],"a.b":["y"]}`, `{"a":["x",{"b":"y"}]}`},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, patternText, event string) {
		p, err := pattern.Compile(patternText)
		if err != nil || len(event) > 400 || !json.Valid([]byte(event)) {
			return
		}
		want, ok := naive(patternText, event)
		if ok {
			require.Equal(t, want, p.Match([]byte(event)), "%s on %s", patternText, event)
		}
	})
}

// FuzzCompile makes sure that no text is too strange.
func FuzzCompile(f *testing.F) {
	f.Add(`{"a":[{"prefix":"x"}]}`)
	f.Add(`{"a":{"b":["x",1,null]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := pattern.Compile(text)
		if err != nil {
			var syntax *pattern.SyntaxError
			require.ErrorAs(t, err, &syntax)
			return
		}
		p.Match([]byte(text))
	})
}

// naive judges an event: it holds if for some choice of one element from every array, all fields have a value among the wanted.
// ok is false for what it does not cover: keys given twice, and too many choices.
func naive(patternText, event string) (match, ok bool) {
	want, ok := decode(patternText)
	if !ok {
		return false, false
	}
	have, ok := decode(event)
	if !ok {
		return false, false
	}
	fields := map[string][]any{}
	if !leaves(want, "", fields) {
		return false, false
	}
	object, isObject := have.(map[string]any)
	if !isObject {
		return false, true
	}
	worlds, ok := choices(object)
	if !ok {
		return false, false
	}
	for _, world := range worlds {
		values := map[string][]any{}
		flatten(world, "", values)
		if all(fields, values) {
			return true, true
		}
	}
	return false, true
}

func decode(text string) (any, bool) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil, false
	}
	compact, err := json.Marshal(v)
	var original bytes.Buffer
	if err != nil || json.Compact(&original, []byte(text)) != nil {
		return nil, false
	}
	return v, len(compact) >= original.Len() // shorter: a key was given twice, or a text was replaced
}

func leaves(v any, path string, into map[string][]any) bool {
	object, ok := v.(map[string]any)
	if !ok {
		into[path] = v.([]any)
		return true
	}
	for key, inner := range object {
		at := key
		if path != "" {
			at = path + "." + key
		}
		if _, twice := into[at]; twice {
			return false
		}
		if !leaves(inner, at, into) {
			return false
		}
	}
	return true
}

const maxWorlds = 2000

// choices returns the value with every array replaced by one of its elements, in all ways.
func choices(v any) ([]any, bool) {
	switch v := v.(type) {
	case map[string]any:
		worlds := []any{map[string]any{}}
		for key, inner := range v {
			options, ok := choices(inner)
			if !ok || len(options)*len(worlds) > maxWorlds {
				return nil, false
			}
			if len(options) == 0 { // an empty array: the field has no value
				continue
			}
			var next []any
			for _, w := range worlds {
				for _, o := range options {
					copied := map[string]any{key: o}
					maps.Copy(copied, w.(map[string]any))
					next = append(next, copied)
				}
			}
			worlds = next
		}
		return worlds, true
	case []any:
		var worlds []any
		for _, inner := range v {
			options, ok := choices(inner)
			if !ok || len(worlds)+len(options) > maxWorlds {
				return nil, false
			}
			worlds = append(worlds, options...)
		}
		return worlds, true
	}
	return []any{v}, true
}

func flatten(v any, path string, into map[string][]any) {
	object, ok := v.(map[string]any)
	if !ok {
		into[path] = append(into[path], v)
		return
	}
	for key, inner := range object {
		at := key
		if path != "" {
			at = path + "." + key
		}
		flatten(inner, at, into)
	}
}

func all(fields, values map[string][]any) bool {
	for path, wanted := range fields {
		found := false
		for _, w := range wanted {
			for _, v := range values[path] {
				found = found || same(w, v)
			}
		}
		if !found {
			return false
		}
	}
	return true
}

// same compares scalars as one-field patterns do; that is covered by the cases.
func same(a, b any) bool {
	left, _ := json.Marshal(a)
	right, _ := json.Marshal(b)
	p, err := pattern.Compile(`{"k":[` + string(left) + `]}`)
	return err == nil && p.Match([]byte(`{"k":`+string(right)+`}`))
}
