package shape_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery/shape"
)

const shapedEvent = `{"version":"0","id":"e1","detail-type":"T","source":"s","account":"p","time":"2026-01-02T03:04:05Z","region":"local",` +
	`"resources":["r"],"detail":{"text":"hello","n":1.50,"big":12345678901234567890,"flag":true,"nil":null,"o":{"acc_id": 1,"sf":"baz"},` +
	`"list":["ACTIVE","INACTIVE"],"quoted":"say \"hi\"","line":"a\nb","uni":"ü\u00e4"}}`

var occasion = shape.Occasion{
	Event: []byte(shapedEvent), Rule: "projects/p/buses/b/rules/r", RuleID: "r", Ingested: time.Date(2026, 1, 2, 3, 4, 6, 789e6, time.UTC),
}

func paths(t *testing.T, of ...string) map[string]shape.Path {
	t.Helper()
	m := map[string]shape.Path{"none": {}}
	for _, name := range append(of, "text", "n", "big", "flag", "nil", "o", "list", "quoted", "line", "uni", "none") {
		p, err := shape.ParsePath("$.detail." + name)
		require.NoError(t, err)
		m[name] = p
	}
	return m
}

func TestTemplates(t *testing.T) {
	for text, want := range map[string]string{
		// An object: bare placeholders keep their type and spelling, a missing one is "".
		`{"a": <text>, "b": <n>, "c": <big>, "d": <flag>, "e": <nil>}`: `{"a": "hello", "b": 1.50, "c": 12345678901234567890, "d": true, "e": null}`,
		`{"a":<o>,"b":<list>,"c":<none>,"d":[<n>,<text>]}`:             `{"a":{"acc_id": 1,"sf":"baz"},"b":["ACTIVE","INACTIVE"],"c":"","d":[1.50,"hello"]}`,
		`{"a":<quoted>,"b":<line>,"c":<uni>}`:                          `{"a":"say \"hi\"","b":"a\nb","c":"ü\u00e4"}`,
		// Inside a string of an object: strings without their quotes, as they are written; a missing one is nothing.
		`{"a":"x <text> <n> <none><flag> <nil>."}`: `{"a":"x hello 1.50 true null."}`,
		`{"a":"<quoted> <line>"}`:                  `{"a":"say \"hi\" a\nb"}`,
		// A string, or several: objects and arrays lose their quotation marks.
		`"info: <text>, <n>, <none>"`:         `"info: hello, 1.50, "`,
		`"<o> and <list>"`:                    `"{acc_id:1,sf:baz} and [ACTIVE,INACTIVE]"`,
		"\"one <text>\"\n\"two <flag>\"":      "\"one hello\"\n\"two true\"",
		`[<n>,<flag>,"<text>"]`:               `[1.50,true,"hello"]`,
		`<n>`:                                 `1.50`,
		`"plain"`:                             `"plain"`,
		`{"a":"1 < 2 > 0","b":"<not it>"}`:    `{"a":"1 < 2 > 0","b":"<not it>"}`,
		`{"a":"\u003ctext\u003e \"<text>\""}`: `{"a":"\u003ctext\u003e \"hello\""}`,
		// Reserved ones.
		`{"a":"<aws.events.rule-arn> <aws.events.rule-name>","b":<freshet.rule>,"c":<freshet.rule-id>}`: `{"a":"projects/p/buses/b/rules/r r","b":"projects/p/buses/b/rules/r","c":"r"}`,
		`"at <aws.events.event.ingestion-time>, <freshet.ingestion-time>"`:                              `"at 2026-01-02T03:04:06.789Z, 2026-01-02T03:04:06.789Z"`,
		`{"e" : <aws.events.event.json>}`:                                                               `{"e" : ` + shapedEvent + `}`,
		`{"e":{"f":<freshet.event>}}`:                                                                   `{"e":{"f":` + shapedEvent + `}}`,
		`{"e":<aws.events.event>}`: `{"e":{"id":"e1","account":"p","detailType":"T","time":1767323045000,"source":"s","region":"local",` +
			`"resources":["r"],"version":"0"}}`,
		`{"e":<freshet.envelope>}`: `{"e":{"version":"0","id":"e1","detail-type":"T","source":"s","account":"p","time":"2026-01-02T03:04:05Z",` +
			`"region":"local","resources":["r"]}}`,
	} {
		template, err := shape.ParseTemplate(text, paths(t))
		require.NoError(t, err, text)
		got, err := template.Render(occasion)
		require.NoError(t, err, text)
		require.Equal(t, want, string(got), text)
	}
}

// TestTemplatesThatGiveNoJSON: the body is returned with the error, so that it can be kept.
func TestTemplatesThatGiveNoJSON(t *testing.T) {
	for text, body := range map[string]string{
		`{"a":"<o>"}`:       `{"a":"{"acc_id": 1,"sf":"baz"}"}`,
		`"<quoted>"`:        `"say "hi""`,
		`[<text>]`:          `[hello]`,
		`<none>`:            ``,
		"\"<line>\"\"b\"":   "\"a\nb\"\"b\"",
		`"<quoted> <text>"`: `"say "hi" hello"`,
	} {
		template, err := shape.ParseTemplate(text, paths(t))
		require.NoError(t, err, text)
		got, err := template.Render(occasion)
		require.ErrorIs(t, err, shape.ErrNotJSON, text)
		require.Equal(t, body, string(got))
	}
}

func TestMalformedTemplates(t *testing.T) {
	for text, says := range map[string]string{
		``:                                "empty",
		`  `:                              "empty",
		`{"a":<other>}`:                   "at character 6: contains invalid placeholder other",
		`{"ä":"<other>"}`:                 "at character 7: contains invalid placeholder other",
		`{"<text>":1}`:                    "at character 9: a placeholder cannot be in the name of a member",
		`{<text>:1}`:                      "at character 2: it is not JSON",
		`{"a":<text> <n>}`:                "at character 13: it is not JSON",
		`{"a":<text>,}`:                   "at character 13: it is not JSON",
		`{"a":"<text>}`:                   "it ends too early",
		`{"a":1}{"b":2}`:                  "only several strings",
		`"a" 1`:                           "only several strings",
		`hello`:                           "at character 1: it is not JSON",
		`"<aws.events.event>"`:            "at character 2: <aws.events.event> is allowed only as the value of a member",
		`{"a":"x <freshet.event>"}`:       "is allowed only as the value of a member",
		`{"a":[<aws.events.event.json>]}`: "is allowed only as the value of a member",
		`[<aws.events.event>]`:            "is allowed only as the value of a member",
	} {
		_, err := shape.ParseTemplate(text, paths(t))
		require.ErrorContains(t, err, says, text)
	}
}

// FuzzTemplate makes sure that no template is too strange, and that what is rendered without an error is JSON.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{
		`{"a":<text>,"b":"<n> <none>"}`, `"<o> <list>"`, "\"<text>\"\n\"<n>\"", `[<big>]`, `<quoted>`, `{"a":<aws.events.event>}`, `{"<text>":<n>}`,
	} {
		f.Add(seed, `{"text":"x","n":1.5,"o":{"a":[1,"\""]}}`)
	}
	f.Fuzz(func(t *testing.T, text, detail string) {
		template, err := shape.ParseTemplate(text, paths(t))
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		if !json.Valid([]byte(detail)) || !strings.HasPrefix(detail, "{") {
			return
		}
		body, err := template.Render(shape.Occasion{Event: []byte(`{"version":"0","time":"x","detail":` + detail + `}`)})
		if err != nil {
			require.ErrorIs(t, err, shape.ErrNotJSON)
			return
		}
		decoder := json.NewDecoder(strings.NewReader(string(body)))
		for n := 0; decoder.More(); n++ {
			var value any
			require.NoError(t, decoder.Decode(&value), "%s", body)
			if n > 0 {
				require.IsType(t, "", value)
			}
		}
	})
}
