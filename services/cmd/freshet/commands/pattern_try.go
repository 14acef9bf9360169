package commands

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/freshet-io/freshet/services/delivery/pattern"
)

// triedPattern are the flags of what tries one pattern on one event.
type triedPattern struct {
	Pattern string `required:"" help:"The pattern: JSON, @FILE to read it from a file, - from standard input." placeholder:"JSON"`
	Event   string `required:"" help:"The event, in the same ways." placeholder:"JSON"`
}

// read returns the compiled pattern and the event's text.
func (c *triedPattern) read(s *session) (*pattern.Pattern, []byte, error) {
	if c.Pattern == "-" && c.Event == "-" {
		return nil, nil, usagef("only one of --pattern and --event can come from standard input")
	}
	text, err := given(s, "--pattern", c.Pattern)
	if err != nil {
		return nil, nil, &usageError{err: err}
	}
	event, err := given(s, "--event", c.Event)
	if err != nil {
		return nil, nil, &usageError{err: err}
	}
	p, err := pattern.Compile(string(text))
	if err != nil {
		return nil, nil, &usageError{err: err}
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(event, &object); err != nil || object == nil {
		return nil, nil, usagef("--event: must be the text of a JSON object")
	}
	return p, event, nil
}

// given is the value of a flag, or what it points to.
func given(s *session, flag, value string) ([]byte, error) {
	path, isFile := strings.CutPrefix(value, "@")
	var text []byte
	var err error
	switch {
	case value == "-":
		text, err = io.ReadAll(s.stdin)
	case isFile:
		text, err = os.ReadFile(path)
	default:
		return []byte(value), nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return text, nil
}

type patternTestCmd struct{ triedPattern }

// Help implements kong.HelpProvider.
func (c *patternTestCmd) Help() string {
	return `Prints true or false, as the API's testEventPattern answers. The event must be whole: id, detail-type, source, account, time, region ` +
		`and resources must be there.`
}

// Run prints the verdict.
func (c *patternTestCmd) Run(s *session) error {
	p, event, err := c.read(s)
	if err != nil {
		return err
	}
	var wrong []error
	for _, fault := range pattern.CheckEnvelope(event) {
		wrong = append(wrong, fmt.Errorf("--event: %s %s", fault.Member, fault.Reason))
	}
	if len(wrong) > 0 {
		return &usageError{err: errors.Join(wrong...)}
	}
	_, err = fmt.Fprintln(s.stdout, p.Match(event))
	return err
}

type patternExplainCmd struct{ triedPattern }

// Help implements kong.HelpProvider.
func (c *patternExplainCmd) Help() string {
	return `Says why an event matches a pattern, or why not, field by field, as the API's explainEventPattern does. The event may be any JSON ` +
		`object. Below the fields stand the ways through the pattern's $or, if there is one; a way without failed fields that does not match ` +
		`has no one choice of array elements for all of its fields.`
}

// Run prints the explanation.
func (c *patternExplainCmd) Run(s *session) error {
	p, event, err := c.read(s)
	if err != nil {
		return err
	}
	e := p.Explain(event)
	out := bufio.NewWriter(s.stdout)
	_, _ = fmt.Fprintf(out, "%t\n\n", e.Match)
	t := newTable(out, "FIELD", "VERDICT", "WANTED", "SEEN")
	for _, f := range e.Fields {
		wanted := make([]string, len(f.Tests))
		for i, test := range f.Tests {
			wanted[i] = test.Text
		}
		seen := strings.Join(f.Seen, ", ")
		if more := f.Count - len(f.Seen); more > 0 {
			seen += fmt.Sprintf(" and %d more", more)
		}
		t.row(f.Place, verdictText(f.Verdict), strings.Join(wanted, " or "), seen)
	}
	if err := t.flush(); err != nil {
		return err
	}
	if err := alternatives(out, e.Alternatives); err != nil {
		return err
	}
	return out.Flush()
}

// alternatives prints the ways through $or, and of a pattern without one only that its fields do not go together.
func alternatives(out io.Writer, list []pattern.Alternative) error {
	if a := list[0]; len(list) == 1 && (a.Match || len(a.Failed) > 0) {
		return nil
	}
	if _, err := fmt.Fprintln(out); err != nil {
		return err
	}
	t := newTable(out, "WAY", "MATCHES", "FAILED")
	for _, a := range list {
		way, failed := strings.Join(a.Branches, ", "), strings.Join(a.Failed, ", ")
		if way == "" {
			way = "all fields"
		}
		if !a.Match && failed == "" {
			failed = "no one choice of array elements has them all"
		}
		t.row(way, fmt.Sprint(a.Match), failed)
	}
	return t.flush()
}

func verdictText(v pattern.Verdict) string {
	switch v {
	case pattern.Fits:
		return "fits"
	case pattern.Absent:
		return "absent, as asked"
	case pattern.Undecided:
		return "absent in some elements"
	case pattern.Missing:
		return "missing"
	case pattern.Mismatch:
		return "mismatch"
	case pattern.Present:
		return "present, must be absent"
	case pattern.Replaced:
		return "replaced by a later one"
	}
	return ""
}
