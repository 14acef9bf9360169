package commands

import (
	"context"
	"fmt"
	"io"
	"strings"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/connection/catalog"
)

type providersCmd struct {
	clientFlags
	List   providersListCmd   `cmd:"" help:"List the provider catalogue."`
	Show   providersShowCmd   `cmd:"" help:"Show one entry, as the file that it would be."`
	Lint   providersLintCmd   `cmd:"" help:"Judge files of entries, without a server."`
	Schema providersSchemaCmd `cmd:"" help:"Print the JSON Schema of an entry, for editors."`
}

type providersListCmd struct{}

// Run lists all providers.
func (c *providersListCmd) Run(ctx context.Context, s *session, f *providersCmd) error {
	cl, err := f.connect(s, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	request := &connectionv1.ListProvidersRequest{PageSize: 250}
	providers := []*connectionv1.Provider{}
	for {
		page, err := cl.providers.ListProviders(ctx, request)
		if err != nil {
			return err
		}
		providers = append(providers, page.GetProviders()...)
		if request.PageToken = page.GetNextPageToken(); request.GetPageToken() == "" {
			break
		}
	}
	if f.Output == "json" {
		return printJSONList(s.stdout, "providers", providers)
	}
	t := newTable(s.stdout, "PROVIDER", "NAME", "PARAMETERS", "GRANTS", "FROM")
	for _, p := range providers {
		var parameters []string
		for _, parameter := range p.GetParameters() {
			parameters = append(parameters, parameter.GetKey())
		}
		from := "freshet"
		if p.GetOwn() {
			from = "providers_dir"
		}
		t.row(last(p.GetName()), p.GetDisplayName(), strings.Join(parameters, ","), strings.Join(p.GetGrants(), ","), from)
	}
	return t.flush()
}

type providersShowCmd struct {
	Provider string `arg:"" help:"Id of the provider, or its name providers/…"`
}

// Run shows one entry.
func (c *providersShowCmd) Run(ctx context.Context, s *session, f *providersCmd) error {
	cl, err := f.connect(s, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	name := c.Provider
	if !strings.HasPrefix(name, "providers/") {
		name = "providers/" + name
	}
	answer, err := cl.providers.GetProvider(ctx, &connectionv1.GetProviderRequest{Name: name})
	if err != nil {
		return err
	}
	if f.Output == "json" {
		return printJSON(s.stdout, answer.GetProvider())
	}
	_, err = io.WriteString(s.stdout, answer.GetProvider().GetDefinition())
	return err
}

type providersLintCmd struct {
	Files []string `arg:"" help:"Files of entries; - is standard input." placeholder:"FILE"`
}

// Run judges files; one that is wrong fails the command.
func (c *providersLintCmd) Run(s *session) error {
	failed := false
	for _, file := range c.Files {
		text, err := readFileOrStdin(s, file)
		if err != nil {
			return err
		}
		entry, err := catalog.Parse(file, text)
		if err != nil {
			failed = true
			for line := range strings.Lines(err.Error()) {
				_, _ = fmt.Fprintln(s.stdout, printable(strings.TrimSuffix(line, "\n")))
			}
			continue
		}
		if _, err := fmt.Fprintf(s.stdout, "%s: %s: no problems\n", printable(file), entry.ID); err != nil {
			return err
		}
	}
	if failed {
		return errReported
	}
	return nil
}

type providersSchemaCmd struct{}

// Run prints the schema.
func (c *providersSchemaCmd) Run(s *session) error {
	text, err := catalog.Schema()
	if err != nil {
		return err
	}
	_, err = s.stdout.Write(append(text, '\n'))
	return err
}
