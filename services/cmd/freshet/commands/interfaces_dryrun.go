package commands

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/freshet-io/freshet/services/internal/mapping"
)

type interfacesDryRunCmd struct {
	File      string   `arg:"" help:"File of the interface." placeholder:"FILE"`
	Mapping   string   `required:"" help:"The mapping to try." placeholder:"ID"`
	Operation string   `required:"" help:"The operation to try." placeholder:"NAME"`
	Input     string   `help:"The input: JSON, @FILE, or - for the standard input." placeholder:"JSON"`
	Cursor    string   `help:"Cursor of the page, as the dry run of the page before printed it." placeholder:"TEXT"`
	Answer    string   `help:"File of the body of a recorded answer. Without it, only the request is printed." placeholder:"FILE"`
	Status    int      `default:"200" help:"Status of the recorded answer. Default: ${default}."`
	Header    []string `sep:"none" help:"Header of the recorded answer, as 'Name: value'. Can be given more than once." placeholder:"HEADER"`
	BaseURL   string   `name:"base-url" help:"Base of the API, which following a next page's URL needs." placeholder:"URL"`
}

// Run tries an operation. It fails if the mapping does not fit the answer.
func (c *interfacesDryRunCmd) Run(ctx context.Context, s *session) error {
	parsed, err := readInterface(s, c.File)
	if err != nil {
		return err
	}
	trial := mapping.Trial{Mapping: c.Mapping, Operation: c.Operation, Cursor: c.Cursor, BaseURL: c.BaseURL}
	if trial.Input, err = givenText(s, "--input", c.Input); err != nil {
		return err
	}
	if c.Answer != "" {
		if trial.Answer, err = c.recorded(s); err != nil {
			return err
		}
	}
	tried, err := parsed.Try(ctx, trial)
	if wrong, ok := errors.AsType[*mapping.InputError](err); ok {
		return usagef("--input: %w", wrong)
	}
	if err != nil {
		return err
	}
	if err := c.print(s, tried); err != nil {
		return err
	}
	if tried.Failed != nil {
		return fmt.Errorf("the mapping does not fit the answer: %s %s", tried.Failed.Field, tried.Failed.Description)
	}
	return nil
}

func (c *interfacesDryRunCmd) recorded(s *session) (*mapping.Recorded, error) {
	body, err := readFileOrStdin(s, c.Answer)
	if err != nil {
		return nil, fmt.Errorf("--answer: %w", err)
	}
	recorded := &mapping.Recorded{Status: c.Status, Header: map[string]string{}, Body: string(body)}
	for _, line := range c.Header {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, usagef("--header: %q is not of the form 'Name: value'", line)
		}
		recorded.Header[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return recorded, nil
}

func (c *interfacesDryRunCmd) print(s *session, tried mapping.Tried) error {
	line := tried.Request.Method + " " + tried.Request.Host + "/" + tried.Request.Path
	if tried.Request.Query != "" {
		line += "?" + tried.Request.Query
	}
	lines := []string{line}
	for _, name := range slices.Sorted(maps.Keys(tried.Request.Header)) {
		lines = append(lines, name+": "+tried.Request.Header[name])
	}
	if len(tried.Request.Body) > 0 {
		lines = append(lines, "", string(tried.Request.Body))
	}
	if tried.Error != nil {
		lines = append(lines, "", fmt.Sprintf("error: %s (%d) %s", tried.Error.Kind, tried.Error.Status, tried.Error.Message))
	}
	if tried.Next != "" {
		lines = append(lines, "", "next page: --cursor "+tried.Next)
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(s.stdout, printable(line)); err != nil {
			return err
		}
	}
	if tried.Output == "" {
		return nil
	}
	if _, err := fmt.Fprintln(s.stdout); err != nil {
		return err
	}
	return printIndented(s.stdout, []byte(tried.Output))
}
