package catalog

import (
	"maps"
	"net/http"
	"slices"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/connect"
)

// Flow implements connect.Catalog.
func (c *Catalog) Flow(ref connection.ProviderRef) (connect.Flow, error) {
	entry, values, err := c.values(ref, nil)
	if err != nil {
		return connect.Flow{}, err
	}
	flow := connect.Flow{
		ProviderName: entry.Name, FieldNames: maps.Clone(entry.Authorize.FieldNames), Fragment: entry.Authorize.Fragment,
		ScopeSeparator: entry.Authorize.ScopeSeparator, Scopes: slices.Clone(entry.Authorize.Scopes),
		ScopeTexts: maps.Clone(entry.Authorize.ScopeTexts), CodeParameter: entry.Callback.CodeParameter,
		Callback: flowCaptures(entry.Callback.Capture), Answer: flowCaptures(entry.Token.Capture),
	}
	for _, step := range entry.Steps {
		flow.Steps = append(flow.Steps, connect.Step{Name: step.Name, Method: step.Method, URL: step.URL, Capture: flowCaptures(step.Capture)})
	}
	if entry.Probe.Account != "" && entry.Probe.Method != http.MethodHead {
		flow.Identity = &connect.Step{
			Name: "the account's id", Method: entry.Probe.Method, URL: entry.Probe.URL,
			Capture: []connect.Capture{{Name: connect.AccountID, From: entry.Probe.Account}},
		}
	}
	for _, name := range names(entry.API.Base) {
		if _, given := values[name]; !given {
			flow.Needs = append(flow.Needs, name)
		}
	}
	return flow, nil
}

// URL implements connect.Catalog.
func (c *Catalog) URL(ref connection.ProviderRef, template string, account map[string]string) (string, error) {
	_, values, err := c.values(ref, account)
	if err != nil {
		return "", err
	}
	return Render(template, values)
}

func flowCaptures(list []Capture) []connect.Capture {
	var out []connect.Capture
	for _, capture := range list {
		out = append(out, connect.Capture{Name: capture.Name, From: capture.From})
	}
	return out
}

// AnswerCaptures implements connection.Catalog.
func (c *Catalog) AnswerCaptures(ref connection.ProviderRef) ([]connection.AnswerCapture, error) {
	entry, err := c.Get(ref.ID)
	if err != nil {
		return nil, err
	}
	var out []connection.AnswerCapture
	for _, capture := range entry.Token.Capture {
		out = append(out, connection.AnswerCapture{Name: capture.Name, Path: capture.From})
	}
	return out, nil
}
