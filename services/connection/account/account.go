package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/connect"
	"github.com/freshet-io/freshet/services/internal/egress"
)

const (
	// timeout bounds one call.
	timeout = 10 * time.Second
	// maxAnswer bounds the answers that are read, maxValue what is taken from one.
	maxAnswer = 1 << 20
	maxValue  = 2048
)

// Asker implements connect.Asker.
type Asker struct {
	tokens tokenv1.TokenServiceClient
	client *http.Client
}

var _ connect.Asker = (*Asker)(nil)

// New returns an Asker with a connection to the token service and the guarded way out.
func New(tokens grpc.ClientConnInterface, client *http.Client) *Asker {
	return &Asker{tokens: tokenv1.NewTokenServiceClient(tokens), client: client}
}

// Ask implements connect.Asker.
func (a *Asker) Ask(ctx context.Context, name connection.GrantName, step connect.Step) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := a.tokens.GetToken(ctx, &tokenv1.GetTokenRequest{Name: name.Token()})
	if err != nil {
		return nil, fmt.Errorf("account: token of %s: %w", name, err)
	}
	request, err := newRequest(ctx, step, answer.GetToken().GetCredential())
	if err != nil {
		return nil, err
	}
	response, err := a.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("account: %w", egress.WithoutURL(err)) // the query may have a credential
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, fmt.Errorf("account: %s answered %d", request.URL.Hostname(), response.StatusCode)
	}
	return capture(response.Body, step)
}

// newRequest is authenticated as requests with the grant are.
func newRequest(ctx context.Context, step connect.Step, credential *tokenv1.HttpCredential) (*http.Request, error) {
	method := step.Method
	if method == "" {
		method = http.MethodGet
	}
	request, err := http.NewRequestWithContext(ctx, method, step.URL, nil)
	if err != nil {
		return nil, errors.New("account: the step's URL is none")
	}
	request.Header.Set("Accept", "application/json")
	for _, h := range credential.GetHeaders() {
		request.Header.Set(h.GetKey(), h.GetValue())
	}
	if fields := credential.GetQuery(); len(fields) > 0 {
		query := request.URL.Query()
		for _, q := range fields {
			query.Set(q.GetKey(), q.GetValue())
		}
		request.URL.RawQuery = query.Encode()
	}
	return request, nil
}

// capture takes a step's values from a JSON answer. Each must be there.
func capture(body io.Reader, step connect.Step) (map[string]string, error) {
	decoder := json.NewDecoder(io.LimitReader(body, maxAnswer))
	decoder.UseNumber()
	var document any
	if err := decoder.Decode(&document); err != nil {
		return nil, errors.New("account: the answer is not JSON, or larger than 1 MiB")
	}
	values := make(map[string]string, len(step.Capture))
	for _, c := range step.Capture {
		value, ok := lookup(document, c.From)
		if !ok || value == "" || len(value) > maxValue {
			return nil, fmt.Errorf("account: the answer has no %s at %s", c.Name, c.From)
		}
		values[c.Name] = value
	}
	return values, nil
}

// lookup follows a path: names of members, and indexes of arrays, separated by dots.
func lookup(at any, path string) (string, bool) {
	for name := range strings.SplitSeq(path, ".") {
		switch v := at.(type) {
		case map[string]any:
			at = v[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(v) {
				return "", false
			}
			at = v[i]
		default:
			return "", false
		}
	}
	switch v := at.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	default:
		return "", false
	}
}
