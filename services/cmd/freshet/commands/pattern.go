package commands

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/freshet-io/freshet/services/delivery/pattern"
)

type patternCmd struct {
	Match   patternMatchCmd   `cmd:"" help:"Tell which events match which patterns, without a server."`
	Test    patternTestCmd    `cmd:"" help:"Tell whether one event matches a pattern, without a server."`
	Explain patternExplainCmd `cmd:"" help:"Say why an event matches a pattern or why not, without a server."`
}

type patternMatchCmd struct{}

// Help implements kong.HelpProvider.
func (c *patternMatchCmd) Help() string {
	return `Standard input has a JSON object in each line:

    {"pattern": {"source": ["shop"]}, "event": {"source": "shop"}}

For each, a line is printed: true, false, or invalid: and what is wrong with the pattern. The event may be any JSON; it needs no field ` +
		`that the pattern does not ask for. Empty lines are skipped.`
}

// Run answers line by line.
func (c *patternMatchCmd) Run(s *session) error {
	in := bufio.NewReaderSize(s.stdin, 64<<10)
	out := bufio.NewWriter(s.stdout)
	for number := 1; ; number++ {
		text, err := in.ReadBytes('\n')
		if err != nil && (!errors.Is(err, io.EOF) || len(text) == 0) {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return errors.Join(err, out.Flush())
		}
		if text = bytes.TrimSpace(text); len(text) == 0 {
			continue
		}
		verdict, err := judge(text)
		if err != nil {
			return errors.Join(out.Flush(), fmt.Errorf("line %d: %w", number, err))
		}
		if _, err := fmt.Fprintln(out, verdict); err != nil {
			return err
		}
		if in.Buffered() == 0 { // whoever writes the lines may wait for the answer
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
}

// judge answers one line.
func judge(text []byte) (string, error) {
	var question struct {
		Pattern json.RawMessage `json:"pattern"`
		Event   json.RawMessage `json:"event"`
	}
	if err := json.Unmarshal(text, &question); err != nil {
		return "", err
	}
	if question.Pattern == nil || question.Event == nil {
		return "", errors.New(`it must be an object with "pattern" and "event"`)
	}
	p, err := pattern.Compile(string(question.Pattern))
	if err != nil {
		return "invalid: " + printable(strings.TrimPrefix(err.Error(), "event pattern is not valid: ")), nil
	}
	return fmt.Sprint(p.Match(question.Event)), nil
}
