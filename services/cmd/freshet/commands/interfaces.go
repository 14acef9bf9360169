package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/internal/mapping"
)

type interfacesCmd struct {
	clientFlags
	List   interfacesListCmd   `cmd:"" help:"List interfaces with their operations and mappings."`
	Get    interfacesGetCmd    `cmd:"" help:"Print the definition of an interface."`
	Put    interfacesPutCmd    `cmd:"" help:"Create an interface from a file, or change it to what the file says."`
	Delete interfacesDeleteCmd `cmd:"" help:"Delete an interface."`
	Lint   interfacesLintCmd   `cmd:"" help:"Judge files, without a server."`
	DryRun interfacesDryRunCmd `cmd:"" help:"Print the request of an operation, and what a recorded answer becomes, without a server."`
	Schema interfacesSchemaCmd `cmd:"" help:"Print the JSON Schema of a file, for editors."`
}

type interfacesListCmd struct{}

// Run lists interfaces.
func (c *interfacesListCmd) Run(ctx context.Context, s *session, f *interfacesCmd) error {
	cl, err := f.connect(s, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	list, err := pages(0, func(size int32, token string) ([]*connectionv1.Interface, string, error) {
		page, err := cl.interfaces.ListInterfaces(ctx, &connectionv1.ListInterfacesRequest{Parent: f.parent(), PageSize: size, PageToken: token})
		return page.GetInterfaces(), page.GetNextPageToken(), err
	})
	if err != nil {
		return err
	}
	if f.Output == "json" {
		return printJSONList(s.stdout, "interfaces", list)
	}
	t := newTable(s.stdout, "INTERFACE", "OPERATIONS", "MAPPINGS", "CHANGED", "DESCRIPTION")
	for _, i := range list {
		t.row(last(i.GetName()), strings.Join(i.GetOperations(), ","), strings.Join(i.GetMappings(), ","), relative(i.GetUpdateTime(), s.now()), i.GetDescription())
	}
	return t.flush()
}

// interfaceArg names an interface.
type interfaceArg struct {
	Interface string `arg:"" help:"Id of the interface, or its name projects/…/interfaces/…"`
}

func (a interfaceArg) of(f *interfacesCmd) string { return f.name("interfaces", a.Interface) }

type interfacesGetCmd struct{ interfaceArg }

// Run prints an interface.
func (c *interfacesGetCmd) Run(ctx context.Context, s *session, f *interfacesCmd) error {
	cl, err := f.connect(s, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.interfaces.GetInterface(ctx, &connectionv1.GetInterfaceRequest{Name: c.of(f)})
	if err != nil {
		return err
	}
	if f.Output == "json" {
		return printJSON(s.stdout, answer.GetInterface())
	}
	return printIndented(s.stdout, []byte(answer.GetInterface().GetDefinition()))
}

type interfacesPutCmd struct {
	interfaceArg
	File        string `arg:"" help:"File of the definition; - is the standard input." placeholder:"FILE"`
	Description string `help:"For people." placeholder:"TEXT"`
	Etag        string `help:"Change it only if its etag is still this one." placeholder:"ETAG"`
}

// Run creates or changes an interface.
func (c *interfacesPutCmd) Run(ctx context.Context, s *session, f *interfacesCmd) error {
	text, err := readFileOrStdin(s, c.File)
	if err != nil {
		return err
	}
	cl, err := f.connect(s, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	put := &connectionv1.Interface{Name: c.of(f), Description: c.Description, Definition: string(text), Etag: c.Etag}
	updated, err := cl.interfaces.UpdateInterface(ctx, &connectionv1.UpdateInterfaceRequest{Interface: put})
	stored := updated.GetInterface()
	if status.Code(err) == codes.NotFound && c.Etag == "" {
		parent, id, _ := strings.Cut(put.GetName(), "/interfaces/")
		var created *connectionv1.CreateInterfaceResponse
		created, err = cl.interfaces.CreateInterface(ctx, &connectionv1.CreateInterfaceRequest{Parent: parent, InterfaceId: id, Interface: put})
		stored = created.GetInterface()
	}
	if err != nil {
		return err
	}
	if f.Output == "json" {
		return printJSON(s.stdout, stored)
	}
	_, err = fmt.Fprintf(s.stdout, "%s: %s, etag %s\n", last(stored.GetName()), strings.Join(stored.GetOperations(), ", "), stored.GetEtag())
	return err
}

type interfacesDeleteCmd struct {
	interfaceArg
	Etag string `help:"Delete it only if its etag is still this one." placeholder:"ETAG"`
}

// Run deletes an interface.
func (c *interfacesDeleteCmd) Run(ctx context.Context, s *session, f *interfacesCmd) error {
	cl, err := f.connect(s, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	if _, err := cl.interfaces.DeleteInterface(ctx, &connectionv1.DeleteInterfaceRequest{Name: c.of(f), Etag: c.Etag}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stdout, "%s is deleted\n", last(c.of(f)))
	return err
}

type interfacesLintCmd struct {
	Files []string `arg:"" help:"Files of interfaces; - is the standard input." placeholder:"FILE"`
}

// Run judges files; one that is wrong fails the command.
func (c *interfacesLintCmd) Run(s *session) error {
	failed := false
	for _, file := range c.Files {
		parsed, err := readInterface(s, file)
		switch {
		case errors.Is(err, errReported):
			failed = true
		case err != nil:
			return err
		default:
			_, _ = fmt.Fprintf(s.stdout, "%s: %d operations, %d mappings: no problems\n", printable(file), len(parsed.Operations()), len(parsed.Mappings()))
		}
	}
	if failed {
		return errReported
	}
	return nil
}

// readInterface reads a file, and prints what is wrong with it.
func readInterface(s *session, file string) (*mapping.Interface, error) {
	text, err := readFileOrStdin(s, file)
	if err != nil {
		return nil, err
	}
	parsed, err := mapping.Parse(file, text)
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			_, _ = fmt.Fprintln(s.stdout, printable(strings.TrimSuffix(line, "\n")))
		}
		return nil, errReported
	}
	return parsed, nil
}

type interfacesSchemaCmd struct{}

// Run prints the schema.
func (c *interfacesSchemaCmd) Run(s *session) error {
	_, err := s.stdout.Write(mapping.Schema())
	return err
}
