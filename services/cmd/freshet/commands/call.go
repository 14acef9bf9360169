package commands

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	accessv1 "github.com/freshet-io/freshet/gen/freshet/access/v1"
)

type callCmd struct {
	clientFlags
	Connection string `arg:"" help:"Id of the connection, or its name projects/…/connections/…"`
	Operation  string `arg:"" help:"The interface's id and the operation: photos.listPhotos."`
	Grant      string `help:"Id of the grant to call with." placeholder:"ID"`
	Input      string `help:"The input: JSON, @FILE, or - for the standard input." placeholder:"JSON"`
	Mapping    string `help:"The mapping to go by. Default: that of the connection's provider, or of its id." placeholder:"ID"`
	All        bool   `help:"All pages, within the server's limits."`
	PageToken  string `help:"Begin with this page." placeholder:"TOKEN"`
}

// Help implements kong.HelpProvider.
func (c *callCmd) Help() string {
	return `Prints the output, or, of a raw operation, where to fetch its answer. If there are further pages, their token is printed on standard error.`
}

// Run makes the call.
func (c *callCmd) Run(ctx context.Context, s *session) error {
	at := strings.LastIndexByte(c.Operation, '.')
	if at <= 0 || at == len(c.Operation)-1 {
		return usagef("%q is not of the form interface.operation", c.Operation)
	}
	input, err := givenText(s, "--input", c.Input)
	if err != nil {
		return err
	}
	cl, err := c.connect(s, roleGateway)
	if err != nil {
		return err
	}
	defer cl.close()
	request := &accessv1.CallRequest{
		Name: c.name("connections", c.Connection), Interface: c.Operation[:at], Operation: c.Operation[at+1:], Input: input, Mapping: c.Mapping,
		AllPages: c.All, PageToken: c.PageToken,
	}
	if c.Grant != "" {
		request.Name += "/grants/" + c.Grant
	}
	answer, err := cl.calls.Call(ctx, request)
	if err != nil {
		return err
	}
	if c.Output == "json" {
		return printJSON(s.stdout, answer)
	}
	if token := answer.GetNextPageToken(); token != "" {
		_, _ = fmt.Fprintf(s.stderr, "There is more: --page-token %s\n", token)
	}
	if download := answer.GetDownload(); download != nil {
		t := newTable(s.stdout)
		t.property("GET", download.GetUri())
		for _, name := range slices.Sorted(maps.Keys(download.GetHeaders())) {
			t.property(name, download.GetHeaders()[name])
		}
		return t.flush()
	}
	return printIndented(s.stdout, []byte(answer.GetOutput()))
}

// givenText is a value, or what @FILE or - stands for.
func givenText(s *session, flag, given string) (string, error) {
	file, isFile := strings.CutPrefix(given, "@")
	if given != "-" && !isFile {
		return given, nil
	}
	text, err := readFileOrStdin(s, file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	return string(text), nil
}
