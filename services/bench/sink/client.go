package sink

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/freshet-io/freshet/services/demo/authserver"
)

// Client asks a sink what arrived.
type Client struct {
	// PostURLs are where bodies are posted, at least one.
	PostURLs []string
	// TokenEndpoint is where tokens are issued.
	TokenEndpoint string

	control string
	http    *http.Client
}

// NewClient returns the client of the sink that announced addrs.
func NewClient(addrs map[string]string) *Client {
	c := &Client{
		TokenEndpoint: addrs[authServerAddr] + authserver.PathToken,
		control:       addrs[controlAddr],
		http:          &http.Client{Transport: &http.Transport{}}, // not the default one, which asks the environment for a proxy
	}
	for i := 0; ; i++ {
		addr, ok := addrs[postAddr+strconv.Itoa(i)]
		if !ok {
			return c
		}
		c.PostURLs = append(c.PostURLs, addr+"/")
	}
}

// Await returns once every id from from up to, but not including, to has arrived, or nothing has for the time of patience.
func (c *Client) Await(ctx context.Context, from, to int, patience time.Duration) (Report, error) {
	query := url.Values{"from": {strconv.Itoa(from)}, "to": {strconv.Itoa(to)}, "patience": {patience.String()}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.control+awaitPath+"?"+query.Encode(), nil)
	if err != nil {
		return Report{}, err
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return Report{}, fmt.Errorf("ask the sink: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10)) // an excerpt
		return Report{}, fmt.Errorf("ask the sink: %s: %s", answer.Status, text)
	}
	var report Report
	if err := json.NewDecoder(answer.Body).Decode(&report); err != nil {
		return Report{}, fmt.Errorf("ask the sink: %w", err)
	}
	return report, nil
}

// Close closes the client's connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }
