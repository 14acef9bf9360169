package catalog

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// templated is a URL of an entry.
type templated struct {
	field, template string
	step            int  // captures of earlier steps may stand in it
	instanceOnly    bool // no capture may
}

func (e Entry) urlTemplates() []templated {
	all := []templated{
		{field: "authorize.url", template: e.Authorize.URL, instanceOnly: true},
		{field: "authorize.issuer", template: e.Authorize.Issuer, instanceOnly: true},
		{field: "authorize.pushed_authorization_endpoint", template: e.Authorize.PAREndpoint, instanceOnly: true},
		{field: "authorize.device_authorization_endpoint", template: e.Authorize.DeviceEndpoint, instanceOnly: true},
		{field: "token.endpoint", template: e.Token.Endpoint, instanceOnly: true},
		{field: "token.refresh_endpoint", template: e.Token.RefreshEndpoint, instanceOnly: true},
		{field: "revoke.endpoint", template: e.Revoke.Endpoint, instanceOnly: true},
		{field: "api.base", template: e.API.Base, step: len(e.Steps)},
		{field: "probe.url", template: e.Probe.URL, step: len(e.Steps)},
	}
	for i, s := range e.Steps {
		all = append(all, templated{field: fmt.Sprintf("steps[%d].url", i), template: s.URL, step: i})
	}
	return slices.DeleteFunc(all, func(t templated) bool { return t.template == "" })
}

// urls renders every URL with sample values.
func (l *linter) urls() {
	used := map[string]bool{}
	for _, t := range l.entry.urlTemplates() {
		for _, name := range names(t.template) {
			used[name] = true
		}
		l.url(t)
	}
	for i, p := range l.entry.Instance {
		if !used[p.Name] {
			l.fail(fmt.Sprintf("instance[%d].name", i), "{%s} stands in no URL of the entry", p.Name)
		}
	}
}

func (l *linter) url(t templated) {
	values := map[string]Value{}
	for _, p := range l.entry.Instance {
		values[p.Name] = Value{Kind: p.Kind, Text: p.Example}
	}
	if !t.instanceOnly {
		for _, c := range l.entry.captures() {
			if c.step < t.step {
				values[c.Name] = c.sample()
			}
		}
	}
	for _, name := range names(t.template) {
		value, known := values[name]
		switch {
		case !known:
			l.fail(t.field, "{%s} is no value that is known here; there are: %s", name, strings.Join(slices.Sorted(maps.Keys(values)), ", "))
			return
		case value.Kind == KindURL && !strings.HasPrefix(t.template, "{"+name+"}"):
			l.fail(t.field, "{%s} is a URL and can only stand at the beginning", name)
			return
		}
	}
	text, err := Render(t.template, values)
	if err != nil {
		l.fail(t.field, "%v", err)
		return
	}
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "https", checkHost(u.Host) != nil:
		l.fail(t.field, "must be an https URL with the name of a host")
	case u.User != nil || strings.Contains(t.template, "#"):
		l.fail(t.field, "must have no user and no fragment")
	}
}

// sample is a value of a capture's kind.
func (c Capture) sample() Value {
	text := map[string]string{KindHost: "api.example.com", KindURL: "https://api.example.com"}[c.Kind]
	if text == "" {
		text = "sample"
	}
	return Value{Kind: c.Kind, Text: text}
}
