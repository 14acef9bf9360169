package issuer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Client asks an issuer what was redeemed.
type Client struct {
	// TokenEndpoint is where refresh tokens are redeemed.
	TokenEndpoint string
	// Root is the certificate, PEM, that the issuer's TLS is to be trusted by.
	Root string

	await string
	http  *http.Client
}

// NewClient returns the client of the issuer that announced addrs.
func NewClient(addrs map[string]string) *Client {
	c := &Client{TokenEndpoint: addrs[addrName] + tokenPath, Root: addrs[rootName], await: addrs[addrName] + awaitPath}
	// Not the default transport, which asks the environment for a proxy.
	c.http = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: c.Roots(), MinVersion: tls.VersionTLS12}}}
	return c
}

// Roots is Root as a pool.
func (c *Client) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(c.Root))
	return pool
}

// Await returns once every grant of the range has been redeemed, or none has for the time of patience.
func (c *Client) Await(ctx context.Context, of Range, patience time.Duration) (Report, error) {
	query := url.Values{
		"from": {strconv.Itoa(of.From)}, "step": {strconv.Itoa(of.Step)}, "n": {strconv.Itoa(of.N)}, "patience": {patience.String()},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.await+"?"+query.Encode(), nil)
	if err != nil {
		return Report{}, err
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return Report{}, fmt.Errorf("ask the issuer: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10)) // an excerpt
		return Report{}, fmt.Errorf("ask the issuer: %s: %s", answer.Status, text)
	}
	var report Report
	if err := json.NewDecoder(answer.Body).Decode(&report); err != nil {
		return Report{}, fmt.Errorf("ask the issuer: %w", err)
	}
	return report, nil
}

// Close closes the client's connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }
