package httpsend

import (
	"context"
	"errors"
	"slices"

	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// sendSigned makes a request with a signature of its own (RFC 5849).
func (c *Client) sendSigned(ctx context.Context, r delivery.Request) delivery.Response {
	signing, cancel := context.WithTimeout(ctx, r.Timeout)
	signature, err := r.Sign(signing)
	cancel()
	if errors.Is(err, delivery.ErrNotSignable) {
		return delivery.Response{Failure: delivery.InvalidRequest, Message: err.Error()}
	}
	if err != nil {
		return delivery.Response{Unproven: err}
	}
	r.Header = r.Header.Clone()
	r.Header["Authorization"] = []string{signature}
	r.Secrets = append(slices.Clip(r.Secrets), seal.NewSecret(signature))
	r.SecretHeaders = append(slices.Clip(r.SecretHeaders), "Authorization")
	result, _ := c.send(ctx, r)
	return result
}
