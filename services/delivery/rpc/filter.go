package rpc

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"go.einride.tech/aip/filtering"
	expr "google.golang.org/genproto/googleapis/api/expr/v1alpha1"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	"github.com/freshet-io/freshet/services/delivery"
)

const filterHelp = `; want comparisons joined by AND: state, destination, rule, event.id and error_code with =, create_time with <, <=, > or >=, ` +
	`for instance state = DEAD AND destination = "projects/default/destinations/orders"`

// parseFilter parses the filter of ListDeliveries and RedriveDeliveries (https://google.aip.dev/160).
func parseFilter(text, project string) (delivery.Filter, error) {
	var f delivery.Filter
	if strings.TrimSpace(text) == "" {
		return f, nil
	}
	var parser filtering.Parser
	parser.Init(text)
	parsed, err := parser.Parse()
	if err != nil {
		if hint := unquoted(text); hint != "" {
			return f, &filterError{hint + filterHelp}
		}
		return f, &filterError{err.Error() + filterHelp}
	}
	c := conjunction{filter: &f, project: project, seen: map[string]bool{}}
	if err := c.add(parsed.GetExpr()); err != nil {
		return f, &filterError{err.Error() + filterHelp}
	}
	return f, nil
}

// comparison finds strings in quotes, which it passes over, and comparisons with a value that has none.
const comparison = `"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|([a-z_]+(?:\.[a-z_]+)*)\s*(<=|>=|!=|[<>=:])\s*([^\s"'()]+)`

// plainWord is what the grammar takes as one value without quotes. An id that begins with a digit, a time and a name with a hyphen are
// several to it, and the error is about the second of them.
const plainWord = `^[A-Za-z_][A-Za-z0-9_/]*$`

// unquoted says which value needs quotes; empty if none does.
func unquoted(text string) string {
	plain := regexp.MustCompile(plainWord)
	for _, found := range regexp.MustCompile(comparison).FindAllStringSubmatch(text, -1) {
		if field, operator, value := found[1], found[2], found[3]; value != "" && !plain.MatchString(value) {
			return fmt.Sprintf("put the value of %s into quotes: %s %s %q", field, field, operator, value)
		}
	}
	return ""
}

// conjunction collects comparisons into a filter.
type conjunction struct {
	filter  *delivery.Filter
	project string
	seen    map[string]bool // field and direction
}

func (c *conjunction) add(e *expr.Expr) error {
	call := e.GetCallExpr()
	if call == nil {
		return fmt.Errorf("%q is no comparison", spelled(e))
	}
	if call.GetFunction() == filtering.FunctionAnd || call.GetFunction() == filtering.FunctionFuzzyAnd {
		for _, arg := range call.GetArgs() {
			if err := c.add(arg); err != nil {
				return err
			}
		}
		return nil
	}
	if len(call.GetArgs()) != 2 {
		return fmt.Errorf("%s is not supported", call.GetFunction())
	}
	field, operator, value := spelled(call.GetArgs()[0]), call.GetFunction(), spelled(call.GetArgs()[1])
	if field == "create_time" {
		return c.time(operator, value)
	}
	if operator != filtering.FunctionEquals {
		return fmt.Errorf("%s can only be compared with =, not %s", field, operator)
	}
	if c.seen[field] {
		return fmt.Errorf("%s is compared twice", field)
	}
	if value == "" {
		return fmt.Errorf("%s: want a value, in quotes unless it is one plain word", field)
	}
	c.seen[field] = true
	return c.equals(field, value)
}

func (c *conjunction) equals(field, value string) error {
	switch field {
	case "state":
		state, ok := deliveryv1.Delivery_State_value[value]
		if !ok || state == 0 {
			return fmt.Errorf("%q is no state: PENDING, DELIVERING, SUCCEEDED, DEAD or CANCELLED", value)
		}
		c.filter.State = delivery.State(state)
	case "error_code":
		code, ok := deliveryv1.Delivery_ErrorCode_value[value]
		if !ok || code == 0 {
			return fmt.Errorf("%q is no error code", value)
		}
		c.filter.ErrorCode = delivery.ErrorCode(code)
	case "destination":
		id, err := sibling(field, value, c.project, "destinations")
		if err != nil {
			return err
		}
		c.filter.Destination = id
	case "rule":
		name, err := parseRule(field, value)
		if err != nil || name.Project != c.project {
			return fmt.Errorf("rule must have the form projects/%s/buses/{bus}/rules/{rule}", c.project)
		}
		c.filter.Bus, c.filter.Rule = name.Bus, name.Rule
	case "event.id":
		c.filter.Event = value
	default:
		return fmt.Errorf("%q cannot be filtered on", field)
	}
	return nil
}

// time narrows the range of create_time. The store knows microseconds.
func (c *conjunction) time(operator, value string) error {
	at, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		return fmt.Errorf("create_time is compared with a time such as \"2026-11-22T14:00:00Z\", not %q", value)
	}
	switch operator {
	case filtering.FunctionGreaterThan, filtering.FunctionLessEquals:
		at = at.Truncate(time.Microsecond).Add(time.Microsecond)
	case filtering.FunctionGreaterEquals, filtering.FunctionLessThan:
		if floor := at.Truncate(time.Microsecond); floor.Before(at) {
			at = floor.Add(time.Microsecond)
		}
	default:
		return fmt.Errorf("create_time cannot be compared with %s", operator)
	}
	if operator == filtering.FunctionGreaterThan || operator == filtering.FunctionGreaterEquals {
		if at.After(c.filter.From) {
			c.filter.From = at
		}
		return nil
	}
	if c.filter.Before.IsZero() || at.Before(c.filter.Before) {
		c.filter.Before = at
	}
	return nil
}

// spelled returns a field's path, a string, or a bare word; empty for anything else, such as a number.
func spelled(e *expr.Expr) string {
	switch {
	case e.GetIdentExpr() != nil:
		return e.GetIdentExpr().GetName()
	case e.GetSelectExpr() != nil:
		return spelled(e.GetSelectExpr().GetOperand()) + "." + e.GetSelectExpr().GetField()
	case e.GetCallExpr().GetFunction() == filtering.FunctionTimestamp && len(e.GetCallExpr().GetArgs()) == 1:
		return spelled(e.GetCallExpr().GetArgs()[0])
	}
	return e.GetConstExpr().GetStringValue()
}
