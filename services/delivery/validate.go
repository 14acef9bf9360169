package delivery

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/freshet-io/freshet/services/delivery/pattern"
	"github.com/freshet-io/freshet/services/delivery/shape"
	"github.com/freshet-io/freshet/services/delivery/signature"
)

// checkRule checks what does not depend on other resources. Bounds of single fields are the API's.
func checkRule(r *Rule) error {
	if _, err := pattern.Compile(r.EventPattern); err != nil {
		return invalid(KindPattern, "rule.event_pattern", err.Error())
	}
	var bad []Violation
	ids := map[string]bool{}
	for i := range r.Targets {
		t := &r.Targets[i]
		at := fmt.Sprintf("rule.targets[%d]", i)
		if ids[t.ID] {
			bad = append(bad, Violation{at + ".id", fmt.Sprintf("%q is used by another target of the rule; ids must differ", t.ID)})
		}
		ids[t.ID] = true
		bad = append(bad, checkTarget(t, at)...)
	}
	if len(bad) > 0 {
		return &InvalidError{Kind: KindField, Violations: bad}
	}
	return nil
}

func checkTarget(t *Target, at string) []Violation {
	var bad []Violation
	note := func(field string, err error) {
		if err != nil {
			bad = append(bad, Violation{at + "." + field, err.Error()})
		}
	}
	note("grant", checkGrant(t))
	bad = append(bad, checkInput(t, at)...)
	bad = append(bad, t.DeadLetter.check(at)...)
	bad = append(bad, t.checkBatch(at)...)
	if t.GroupPath != "" {
		_, err := shape.ParsePath(t.GroupPath)
		note("message_group_path", err)
	}
	for i, text := range t.PathParameters {
		_, err := shape.ParseParameter(text)
		note(fmt.Sprintf("path_parameter_values[%d]", i), err)
	}
	for name, text := range t.Headers {
		if shape.Forbidden(name) {
			note(fmt.Sprintf("header_parameters[%q]", name), fmt.Errorf("this header is governed by the HTTP client and cannot be set"))
		}
		_, err := shape.ParseParameter(text)
		note(fmt.Sprintf("header_parameters[%q]", name), err)
	}
	for name, text := range t.QueryParameters {
		_, err := shape.ParseParameter(text)
		note(fmt.Sprintf("query_string_parameters[%q]", name), err)
	}
	return bad
}

// checkTargets checks a rule's targets against their destinations; ErrDestinationNotFound.
func (s *Service) checkTargets(ctx context.Context, r *Rule) error {
	for i := range r.Targets {
		t := &r.Targets[i]
		destination, err := s.store.Destination(ctx, DestinationName{r.Name.Project, t.Destination})
		if err != nil {
			return err
		}
		if err := s.checkDeadLetter(ctx, r, i); err != nil {
			return err
		}
		at := fmt.Sprintf("rule.targets[%d]", i)
		if v := checkMethod(t, &destination); v != "" {
			return invalid(KindField, at+".batch", v)
		}
		if v := checkPlaceholders(t, at, &destination); v != nil {
			return &InvalidError{Kind: KindField, Violations: []Violation{*v}}
		}
	}
	return nil
}

// checkPlaceholders tells whether a target gives as many path parameters as its destination's endpoint has `*`.
func checkPlaceholders(t *Target, at string, d *Destination) *Violation {
	endpoint, err := shape.ParseEndpoint(d.Endpoint)
	if err != nil || endpoint.Placeholders() == len(t.PathParameters) {
		return nil
	}
	return &Violation{at + ".path_parameter_values", fmt.Sprintf("%d given, but the endpoint of %s has %d *",
		len(t.PathParameters), d.Name, endpoint.Placeholders())}
}

// checkDestination checks an endpoint.
func (s *Service) checkDestination(d *Destination) error {
	const field = "destination.endpoint"
	endpoint, err := shape.ParseEndpoint(d.Endpoint)
	if err != nil {
		return invalid(KindField, field, err.Error())
	}
	u, err := url.Parse(endpoint.Sample())
	switch {
	case err != nil:
		return invalid(KindField, field, "want an absolute URL, for instance https://api.example/orders/*")
	case u.User != nil:
		return invalid(KindField, field, "a user or password does not belong in the URL but in the connection")
	case strings.Contains(d.Endpoint, "#"):
		return invalid(KindField, field, "the URL must not have a fragment (#…)")
	}
	if _, err := url.ParseQuery(u.RawQuery); err != nil {
		return invalid(KindField, field, "the URL's query is not valid")
	}
	if v := d.Statuses.overlap(); v != nil {
		return &InvalidError{Kind: KindField, Violations: []Violation{*v}}
	}
	if shape.Forbidden(d.IdempotencyHeader) || ours(d.IdempotencyHeader) {
		return invalid(KindField, "destination.idempotency_header", "this header is set by the HTTP client, the connection or Freshet itself")
	}
	if err := s.checkURL(endpoint.Sample()); err != nil {
		return invalid(KindEgress, field, err.Error())
	}
	return nil
}

// ours tells whether we, or connections, set a header ourselves.
func ours(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Authorization", "Proxy-Authorization", "Cookie", "Content-Type", "X-Freshet-Event-Id", "Traceparent", "Tracestate",
		signature.HeaderID, signature.HeaderTimestamp, signature.HeaderSignature:
		return true
	}
	return false
}
