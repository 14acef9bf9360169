package calls

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	accessv1 "github.com/freshet-io/freshet/gen/freshet/access/v1"
	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/gateway/proxy"
	"github.com/freshet-io/freshet/services/internal/mapping"
	"github.com/freshet-io/freshet/services/internal/page"
)

const (
	// maxAnswer bounds what an API may answer to one request, in bytes.
	maxAnswer = 8 << 20
	// maxOutput bounds the output of a call: a message has 4 MiB.
	maxOutput = 3 << 20
	// Limits of a call with all pages, where the caller gives none.
	defaultPages, defaultItems = 10, 1000
	// maxToken is the contract's bound on page tokens.
	maxToken = 4096
	// maxParsed bounds the definitions that are remembered. Forgetting costs reading one again.
	maxParsed = 256
)

// Proxy makes calls; *proxy.Proxy does.
type Proxy interface {
	Do(ctx context.Context, r proxy.Request, caller metadata.MD) (*proxy.Answer, error)
}

// Params are what a Server is made of. All are required.
type Params struct {
	Proxy Proxy
	// Connection leads to the connection service without a credential of its own: what a caller may use is asked with the caller's.
	Connection grpc.ClientConnInterface
	Pages      *page.Codec
	Logger     *slog.Logger
}

// Server implements accessv1.CallServiceServer.
type Server struct {
	accessv1.UnimplementedCallServiceServer
	params     Params
	interfaces connectionv1.InterfaceServiceClient

	mu     sync.Mutex
	parsed map[string]*mapping.Interface // by etag
}

// New returns a server.
func New(p Params) (*Server, error) {
	if p.Proxy == nil || p.Connection == nil || p.Pages == nil || p.Logger == nil {
		return nil, errors.New("calls: Proxy, Connection, Pages and Logger are required")
	}
	return &Server{params: p, interfaces: connectionv1.NewInterfaceServiceClient(p.Connection), parsed: map[string]*mapping.Interface{}}, nil
}

// Call implements accessv1.CallServiceServer.
func (s *Server) Call(ctx context.Context, req *accessv1.CallRequest) (*accessv1.CallResponse, error) {
	c := &call{server: s, request: req, caller: callerOf(ctx)}
	if err := c.resolve(ctx); err != nil {
		return nil, s.fail(ctx, err)
	}
	response, err := c.run(ctx)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return response, nil
}

// callerOf is the caller's credential, which goes along wherever the call leads within the suite.
func callerOf(ctx context.Context) metadata.MD {
	in, _ := metadata.FromIncomingContext(ctx)
	caller := metadata.MD{}
	for _, name := range []string{"authorization", "x-api-key"} {
		if values := in.Get(name); len(values) > 0 {
			caller[name] = values
		}
	}
	return caller
}

// call is one call.
type call struct {
	server  *Server
	request *accessv1.CallRequest
	caller  metadata.MD

	route   *mapping.Route
	mapping string
	etag    string
	input   any
}

// resolve finds out how the operation is done for the connection.
func (c *call) resolve(ctx context.Context) error {
	connection, _, _ := strings.Cut(c.request.GetName(), "/grants/")
	project, _, _ := strings.Cut(connection, "/connections/")
	answer, err := c.server.interfaces.ResolveInterface(metadata.NewOutgoingContext(ctx, c.caller), &connectionv1.ResolveInterfaceRequest{
		Name: project + "/interfaces/" + c.request.GetInterface(), Connection: connection, Mapping: c.request.GetMapping(),
	})
	if err != nil {
		return err
	}
	parsed, err := c.server.parse(answer.GetInterface())
	if err != nil {
		return err
	}
	c.mapping, c.etag = answer.GetMapping(), answer.GetInterface().GetEtag()
	if c.route, err = parsed.Route(c.mapping, c.request.GetOperation()); err != nil {
		return err
	}
	c.input, err = c.route.Operation.Input([]byte(c.request.GetInput()))
	return err
}

// parse reads a definition, each once.
func (s *Server) parse(i *connectionv1.Interface) (*mapping.Interface, error) {
	s.mu.Lock()
	parsed := s.parsed[i.GetEtag()]
	s.mu.Unlock()
	if parsed != nil {
		return parsed, nil
	}
	parsed, err := mapping.Parse("", []byte(i.GetDefinition()))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.parsed) >= maxParsed {
		clear(s.parsed)
	}
	s.parsed[i.GetEtag()] = parsed
	return parsed, nil
}

// scope is what a page token is good for: the same call, and the definition that made it, since a cursor is made for one.
func (c *call) scope() string {
	input := sha256.Sum256([]byte(c.request.GetInput()))
	return strings.Join([]string{
		"Call", c.request.GetName(), c.request.GetInterface(), c.etag, c.request.GetOperation(), c.mapping, hex.EncodeToString(input[:]),
	}, "|")
}

func (c *call) run(ctx context.Context) (*accessv1.CallResponse, error) {
	cursor := ""
	values, err := c.server.params.Pages.Decode(c.scope(), c.request.GetPageToken())
	if err != nil {
		return nil, err
	}
	if len(values) == 1 {
		cursor = values[0]
	}
	switch {
	case c.route.Operation.Raw:
		return c.download(ctx)
	case c.route.Operation.Paged:
		return c.pages(ctx, cursor)
	}
	output, err := c.one(ctx, "")
	if err != nil {
		return nil, err
	}
	return &accessv1.CallResponse{Output: string(output.Value)}, nil
}

// download says where to fetch the answer of a raw operation.
func (c *call) download(ctx context.Context) (*accessv1.CallResponse, error) {
	request, err := c.route.Request(ctx, c.input, "")
	if err != nil {
		return nil, err
	}
	made := c.made(request)
	out := &accessv1.Download{Uri: made.URI(), Headers: map[string]string{}}
	for name := range made.Headers() {
		out.Headers[name] = made.Headers().Get(name)
	}
	return &accessv1.CallResponse{Download: out}, nil
}

// pages does a paged operation.
func (c *call) pages(ctx context.Context, cursor string) (*accessv1.CallResponse, error) {
	most, enough := 1, 0
	if c.request.GetAllPages() {
		most, enough = orDefault(c.request.GetMaxPages(), defaultPages), orDefault(c.request.GetMaxItems(), defaultItems)
	}
	var items []json.RawMessage
	size, pages := 0, 0
	for {
		output, err := c.one(ctx, cursor)
		if err != nil {
			return nil, err
		}
		added := 0
		for _, item := range output.Items {
			added += len(item) + 1
		}
		if size+added > maxOutput {
			if pages == 0 {
				return nil, &mapping.FailedError{Field: "output", Description: "of one page is larger than 3 MiB"}
			}
			break // this page is the next one
		}
		items, size, cursor = append(items, output.Items...), size+added, output.Next
		if pages++; cursor == "" || pages >= most || len(items) >= enough {
			break
		}
	}
	response := &accessv1.CallResponse{Output: mapping.List(items), Pages: int32(pages)}
	if cursor != "" {
		response.NextPageToken = c.server.params.Pages.Encode(c.scope(), cursor)
	}
	if len(response.GetNextPageToken()) > maxToken {
		return nil, &mapping.FailedError{Field: "pagination", Description: "names the next page in too many words"}
	}
	return response, nil
}

func orDefault(given int32, otherwise int) int {
	if given == 0 {
		return otherwise
	}
	return int(given)
}

// one makes one request of the API, and reads its answer.
func (c *call) one(ctx context.Context, cursor string) (mapping.Output, error) {
	request, err := c.route.Request(ctx, c.input, cursor)
	if err != nil {
		return mapping.Output{}, err
	}
	answer, err := c.server.params.Proxy.Do(ctx, c.made(request), c.caller)
	if err != nil {
		return mapping.Output{}, err
	}
	exchange := mapping.Exchange{
		Input: c.input, Cursor: cursor, Request: request, Status: answer.Status, Header: map[string]string{}, Body: answer.Body,
	}
	if answer.URL != nil {
		base := *answer.URL
		base.RawPath = strings.TrimSuffix(base.EscapedPath(), "/"+request.Path)
		base.Path, base.RawQuery = "", ""
		exchange.Base = base.Scheme + "://" + base.Host + base.RawPath
	}
	for name, values := range answer.Header {
		exchange.Header[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	output, err := c.route.Answer(ctx, exchange)
	if refused, ok := errors.AsType[*mapping.APIError](err); ok {
		err = &upstreamError{APIError: refused, after: retryAfter(answer.Header)}
	}
	return output, err
}

// made is a request of the mapping as one of the proxy.
func (c *call) made(r mapping.Request) proxy.Request {
	header := http.Header{}
	for name, value := range r.Header {
		header.Set(name, value)
	}
	if header.Get("Accept") == "" && !c.route.Operation.Raw {
		header.Set("Accept", "application/json")
	}
	return proxy.Request{
		Method: r.Method, Name: c.request.GetName(), Path: r.Path, Query: r.Query, Host: r.Host, Follow: r.Follow, Header: header, Body: r.Body,
		MaxAnswer: maxAnswer,
	}
}
