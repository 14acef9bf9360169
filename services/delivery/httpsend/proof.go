package httpsend

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/freshet-io/freshet/sdk/dpop"
	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// sendProved makes a request with a proof of possession (RFC 9449), with the destination's latest nonce in it. A destination that wants another
// one has processed nothing (section 9), so it gets the request once more, with the nonce that it gave.
func (c *Client) sendProved(ctx context.Context, r delivery.Request) delivery.Response {
	target, err := url.Parse(r.URL)
	if err != nil {
		return delivery.Response{Failure: delivery.InvalidRequest, Message: "the URL or method is not valid"}
	}
	for again := false; ; again = true {
		proved, err := c.proved(ctx, r, c.nonces.For(target))
		if err != nil {
			return delivery.Response{Unproven: err}
		}
		result, header := c.send(ctx, proved)
		if header == nil {
			return result
		}
		nonce := c.nonces.Learn(target, header, c.now())
		if !dpop.Challenged(result.Status, header) {
			return result
		}
		if again || nonce == "" {
			result.Challenged = true
			return result
		}
	}
}

// proved returns the request with a proof of its own.
func (c *Client) proved(ctx context.Context, r delivery.Request, nonce string) (delivery.Request, error) {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	proof, err := r.Prove(ctx, nonce)
	if err != nil {
		return delivery.Request{}, err
	}
	r.Header = r.Header.Clone()
	r.Header[http.CanonicalHeaderKey(dpop.HeaderProof)] = []string{proof}
	r.Secrets = append(slices.Clip(r.Secrets), seal.NewSecret(proof))
	r.SecretHeaders = append(slices.Clip(r.SecretHeaders), http.CanonicalHeaderKey(dpop.HeaderProof))
	return r, nil
}
