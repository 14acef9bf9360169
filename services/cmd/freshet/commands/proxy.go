package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	proxyv1 "github.com/freshet-io/freshet/gen/freshet/proxy/v1"
)

type proxyCmd struct {
	clientFlags
	Connection string   `arg:"" help:"Id of the connection, or its name projects/…/connections/…, or that of a grant."`
	Path       string   `arg:"" optional:"" help:"Path behind the API's base, percent-encoded, with the query if there is one."`
	Grant      string   `help:"Id of the grant to call with." placeholder:"ID"`
	Method     string   `short:"X" help:"Method. Default: GET, with --data POST." placeholder:"METHOD"`
	Header     []string `short:"H" sep:"none" help:"Header, as 'Name: value'. Can be given more than once." placeholder:"HEADER"`
	Data       string   `short:"d" help:"File of the body, - for the standard input." placeholder:"FILE"`
	Include    bool     `short:"i" help:"Print status and headers of the answer, on standard error."`
}

// Help implements kong.HelpProvider.
func (c *proxyCmd) Help() string {
	return `Calls the connection's API through Freshet, which adds the credential, and prints the body of the answer. The exit code is 1 if the ` +
		`API answers with an error.`
}

// Run makes the call.
func (c *proxyCmd) Run(ctx context.Context, s *session) error {
	call, err := c.call()
	if err != nil {
		return err
	}
	body, err := c.body(s)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // it was read
	cl, err := c.connect(s, roleGateway)
	if err != nil {
		return err
	}
	defer cl.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := cl.proxy.InvokeStream(ctx)
	if err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() { sent <- sendCall(stream, call, body) }()
	answer, err := c.receive(stream, s)
	if err != nil {
		return err
	}
	select {
	case err = <-sent:
	default: // the answer came before all of the body was taken
	}
	if status := answer.GetStatusCode(); err == nil && status >= http.StatusBadRequest {
		err = fmt.Errorf("the API answered %d %s", status, http.StatusText(int(status)))
	}
	return err
}

// call is what is called, without the body.
func (c *proxyCmd) call() (*proxyv1.Call, error) {
	call := &proxyv1.Call{Name: c.name("connections", c.Connection), HttpMethod: c.Method}
	if c.Grant != "" {
		call.Name += "/grants/" + c.Grant
	}
	if call.HttpMethod == "" {
		if call.HttpMethod = http.MethodGet; c.Data != "" {
			call.HttpMethod = http.MethodPost
		}
	}
	call.Path, call.Query, _ = strings.Cut(strings.TrimPrefix(c.Path, "/"), "?")
	for _, line := range c.Header {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, usagef("--header: %q is not of the form 'Name: value'", name)
		}
		call.Headers = append(call.Headers, &proxyv1.HeaderField{Key: strings.TrimSpace(name), Value: strings.TrimSpace(value)})
	}
	return call, nil
}

func (c *proxyCmd) body(s *session) (io.ReadCloser, error) {
	switch c.Data {
	case "":
		return http.NoBody, nil
	case "-":
		return io.NopCloser(s.stdin), nil
	default:
		file, err := os.Open(c.Data)
		if err != nil {
			return nil, fmt.Errorf("--data: %w", err)
		}
		return file, nil
	}
}

// pieceSize is how much of a body goes into one message.
const pieceSize = 64 << 10

// sendCall sends a call and its body.
func sendCall(stream proxyv1.ProxyService_InvokeStreamClient, call *proxyv1.Call, body io.Reader) error {
	err := stream.Send(&proxyv1.InvokeStreamRequest{Part: &proxyv1.InvokeStreamRequest_Call{Call: call}})
	for buffer := make([]byte, pieceSize); err == nil; {
		n, end := body.Read(buffer)
		if n > 0 {
			err = stream.Send(&proxyv1.InvokeStreamRequest{Part: &proxyv1.InvokeStreamRequest_Body{Body: buffer[:n]}})
		}
		if errors.Is(end, io.EOF) {
			return stream.CloseSend()
		}
		if end != nil {
			return fmt.Errorf("--data: %w", end)
		}
	}
	if errors.Is(err, io.EOF) {
		return nil // the answer says why
	}
	return err
}

// receive prints an answer.
func (c *proxyCmd) receive(stream proxyv1.ProxyService_InvokeStreamClient, s *session) (*proxyv1.Answer, error) {
	first, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	answer := first.GetAnswer()
	if c.Include {
		lines := []string{fmt.Sprintf("%d %s", answer.GetStatusCode(), http.StatusText(int(answer.GetStatusCode())))}
		for _, field := range answer.GetHeaders() {
			lines = append(lines, field.GetKey()+": "+field.GetValue())
		}
		if _, err := fmt.Fprintf(s.stderr, "%s\n\n", strings.Join(lines, "\n")); err != nil {
			return nil, err
		}
	}
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return answer, nil
		}
		if err != nil {
			return nil, err
		}
		if _, err := s.stdout.Write(message.GetBody()); err != nil {
			return nil, err
		}
	}
}
