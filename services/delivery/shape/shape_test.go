package shape_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/delivery/shape"
)

var event = []byte(`{"version":"0","detail-type":"T","resources":["r0","r1"],"detail":{"id":"a b","n":1.50,"big":12345678901234567890,` +
	`"o":{"k": [1,{"x":true}]},"nil":null,"it's":"q","ünï":"u","a:b":"c"}}`)

func TestPaths(t *testing.T) {
	for text, want := range map[string]string{
		"$.detail.id":       `"a b"`,
		"$.detail-type":     `"T"`,
		"$['detail-type']":  `"T"`,
		`$["detail"]["n"]`:  `1.50`,
		"$.detail.big":      `12345678901234567890`,
		"$.detail.o":        `{"k": [1,{"x":true}]}`,
		"$.detail.o.k[1].x": `true`,
		"$.resources[0]":    `"r0"`,
		"$.resources[-1]":   `"r1"`,
		`$.detail['it\'s']`: `"q"`,
		"$.detail.ünï":      `"u"`,
		"$.detail.a:b":      `"c"`,
		"$":                 string(event),
	} {
		p, err := shape.ParsePath(text)
		require.NoError(t, err, text)
		got, ok := p.Find(event)
		require.True(t, ok, text)
		require.Equal(t, want, string(got))
	}
	for _, text := range []string{"$.none", "$.detail.id.x", "$.resources[2]", "$.resources.x", "$.detail[0]"} {
		p, err := shape.ParsePath(text)
		require.NoError(t, err, text)
		_, ok := p.Find(event)
		require.False(t, ok, text)
	}
}

func TestMalformedPaths(t *testing.T) {
	for text, says := range map[string]string{
		"":            "must begin with $",
		"detail.id":   "must begin with $",
		"$.":          "at character 2: want a name",
		"$.a.":        "at character 4: want a name",
		"$..a":        "descendants",
		"$.a.*":       "wildcards",
		"$.a[*]":      "wildcards, slices and filters",
		"$.a[1:2]":    "wildcards, slices and filters",
		"$.a[?(@.b)]": "wildcards, slices and filters",
		"$.a[+1]":     "want ['name'] or [index]",
		"$.a[1":       "want ['name'] or [index]",
		"$['a'":       "want ] after the name",
		"$['a":        "no closing quote",
		"$.a b":       "at character 4: want .name",
		"$a":          "at character 2: want .name",
		"$.ä b":       "at character 4",
	} {
		_, err := shape.ParsePath(text)
		require.ErrorContains(t, err, says, text)
	}
}

func TestParameters(t *testing.T) {
	for text, want := range map[string]string{
		"constant": "constant", "$5.00": "$5.00", "": "", "a $.detail.id": "a $.detail.id",
		"$.detail.id": "a b", "$.detail.n": "1.50", "$.detail.big": "12345678901234567890",
		"$.detail.o": `{"k": [1,{"x":true}]}`, "$.detail.nil": "", "$.detail.none": "", "$.detail.o.k[1].x": "true",
	} {
		p, err := shape.ParseParameter(text)
		require.NoError(t, err, text)
		require.Equal(t, want, p.Value(event), text)
	}
	_, err := shape.ParseParameter("$.a[")
	require.Error(t, err)
}

func TestEndpoint(t *testing.T) {
	e, err := shape.ParseEndpoint("https://api.example/v1/*/items/x-*.json?q=1")
	require.NoError(t, err)
	require.Equal(t, 2, e.Placeholders())
	require.Equal(t, "https://api.example/v1/x/items/x-x.json?q=1", e.Sample())
	got, err := e.Fill([]string{"a/b c?#", "%2e.."})
	require.NoError(t, err)
	require.Equal(t, "https://api.example/v1/a%2Fb%20c%3F%23/items/x-%252e...json?q=1", got)
	_, err = e.Fill([]string{"..", "x"})
	require.ErrorIs(t, err, shape.ErrDotSegment)
	_, err = e.Fill([]string{"x"})
	require.Error(t, err)

	plain, err := shape.ParseEndpoint("https://api.example/a/../b")
	require.NoError(t, err)
	got, err = plain.Fill(nil)
	require.NoError(t, err)
	require.Equal(t, "https://api.example/a/../b", got)

	for _, text := range []string{
		"https://*.example/x", "https://api.example/x?q=*", "https://api.example#*", "*://x/y", "/relative", "", "https://api.example:*/x",
		"https://api.example?x=/*",
	} {
		_, err := shape.ParseEndpoint(text)
		require.Error(t, err, text)
	}
}

func TestQuery(t *testing.T) {
	got, err := shape.AddQuery("https://h/p?b=2&a=1&b=3",
		[]shape.Pair{{Key: "b", Value: "target"}, {Key: "c", Value: "x&y"}}, []shape.Pair{{Key: "c", Value: "1"}, {Key: "c", Value: "2"}})
	require.NoError(t, err)
	require.Equal(t, "https://h/p?a=1&b=target&c=1&c=2", got)
	got, err = shape.AddQuery("https://h/p?b=2&a=%31")
	require.NoError(t, err)
	require.Equal(t, "https://h/p?b=2&a=%31", got)
}

func TestEnvelope(t *testing.T) {
	e := shape.Envelope{
		ID: "1", DetailType: "T <&> \u2028", Source: "s\"\\", Account: "p", Region: "local",
		Time: time.Date(2026, 11, 22, 15, 4, 5, 999, time.FixedZone("", 3600)), Resources: []string{"a", "b"}, Detail: `{ "n" : 1.50 }`,
	}
	text := string(e.JSON())
	require.True(t, strings.HasSuffix(text, `"resources":["a","b"],"detail":{ "n" : 1.50 }}`), text)
	require.Contains(t, text, `T <&> `)
	var read map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &read))
	require.Equal(t, "2026-11-22T14:04:05Z", read["time"])
	require.Equal(t, e.DetailType, read["detail-type"])
	require.Equal(t, e.Source, read["source"])
	e.Resources = nil
	require.Contains(t, string(e.JSON()), `"resources":[]`)
}

func TestMergeBody(t *testing.T) {
	members := []shape.Pair{{Key: "key", Value: "se\"cret"}, {Key: "b", Value: "2"}}
	for body, want := range map[string]string{
		`{ "a" : 1.50, "key": {"x":1} }`: `{"a":1.50,"key":"se\"cret","b":"2"}`,
		`{}`:                             `{"key":"se\"cret","b":"2"}`,
		`[1]`:                            `[1]`,
		`"text"`:                         `"text"`,
	} {
		require.Equal(t, want, string(shape.MergeBody([]byte(body), members)))
	}
	require.Equal(t, `{ "a" : 1 }`, string(shape.MergeBody([]byte(`{ "a" : 1 }`), nil)))
}

func TestForbidden(t *testing.T) {
	for _, name := range []string{"host", "HOST", "Content-Length", "te", "X-Custom"} {
		require.Equal(t, name != "X-Custom", shape.Forbidden(name), name)
	}
}

// FuzzPath makes sure that a path that parses finds what encoding/json finds, and that nothing else happens.
func FuzzPath(f *testing.F) {
	f.Add("$.detail.id", `{"detail":{"id":1}}`)
	f.Add("$['a'][0].b[-1]", `{"a":[{"b":[1,2]}]}`)
	f.Add("$..", `{}`)
	f.Fuzz(func(t *testing.T, text, document string) {
		p, err := shape.ParsePath(text)
		if err != nil || !json.Valid([]byte(document)) {
			return
		}
		if value, ok := p.Find([]byte(document)); ok {
			require.True(t, json.Valid(value), "%s", value)
		}
	})
}

// FuzzFill makes sure that path parameters stay within their segment.
func FuzzFill(f *testing.F) {
	f.Add("a/../b", "?x#y")
	f.Fuzz(func(t *testing.T, a, b string) {
		e, err := shape.ParseEndpoint("https://api.example/one/*/two-*/end?q=1")
		require.NoError(t, err)
		filled, err := e.Fill([]string{a, b})
		if err != nil {
			require.ErrorIs(t, err, shape.ErrDotSegment)
			return
		}
		u, err := url.Parse(filled)
		require.NoError(t, err)
		require.Equal(t, "api.example", u.Host)
		require.Equal(t, "q=1", u.RawQuery)
		require.Len(t, strings.Split(u.EscapedPath(), "/"), 5)
	})
}
