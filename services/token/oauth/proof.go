package oauth

import (
	"context"
	"net/http"
	"time"

	"github.com/freshet-io/freshet/sdk/dpop"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/token"
	proofs "github.com/freshet-io/freshet/services/token/dpop"
)

// freshNonce is for how long a nonce is trusted to be taken where a refusal is better avoided. RFC 9449 section 8 leaves it to the server; real
// ones replace theirs every few minutes.
const freshNonce = time.Minute

// prove puts a proof of possession on a token request, with the server's latest nonce. Each request has a proof of its own.
func (c *Client) prove(request *http.Request, key proofs.Key, now time.Time) error {
	if key.IsZero() {
		return nil
	}
	proof, err := key.Proof(proofs.Claims{
		Method: request.Method, URL: request.URL.String(), Nonce: c.nonces.For(request.URL), Time: now,
	})
	if err != nil {
		return err
	}
	request.Header.Set(dpop.HeaderProof, proof)
	return nil
}

// challenges reports whether an answer says that nothing was processed for want of a nonce: RFC 9449 section 8 has it in the body, with status
// 400; some servers answer 401 as a resource does.
func challenges(answer token.Answer, header http.Header, dialect token.Dialect) bool {
	if dpop.Challenged(answer.HTTPStatus, header) {
		return true
	}
	if answer.HTTPStatus >= http.StatusInternalServerError {
		return false
	}
	d := parse(answer, dialect)
	code, _ := d.standardCode()
	return code == dpop.ErrorUseNonce && (answer.HTTPStatus > 299 || !usable(d.accessToken()))
}

// Prepare implements token.Exchanger: before a proof with an old nonce, or none, makes a server refuse a redemption, it asks for a nonce by a
// request that redeems nothing, because it has nothing to redeem. By RFC 9449 section 8 such a refusal does no harm, but servers are known that
// spend the refresh token before they look at the nonce, and a refusal that gets lost on its way looks like a lost answer.
//
// A server that gave no nonce with any answer so far is taken to need none.
func (c *Client) Prepare(ctx context.Context, settings token.OAuth2, grant token.Grant) error {
	address := endpointFor(&settings, grant)
	endpoint, err := parseEndpoint(address, "the token endpoint")
	if err != nil || grant.Key.IsZero() || !redeems(&settings) {
		return nil //nolint:nilerr // the request itself says what is wrong
	}
	nonce, heard := c.nonces.Heard(endpoint)
	if !heard.IsZero() && (nonce == "" || c.now().Sub(heard) < freshNonce) {
		return nil
	}
	answer, err := c.withSecret(&settings, func(secret seal.Secret) (token.Answer, error) {
		return c.request(ctx, &settings, secretsOf(&settings, grant.RefreshToken), func(ctx context.Context, now time.Time) (*http.Request, error) {
			fields := parameters{{"grant_type", orDefault(settings.Dialect.RefreshGrantType, grantRefreshToken)}}
			request, err := assemble(ctx, &settings, methodFor(&settings, grant), address, fields, secret, now)
			if err != nil {
				return nil, err
			}
			return request, c.prove(request, grant.Key, now)
		})
	})
	failure, failed := err.(*token.Failure) //nolint:errorlint // request returns no others
	if err == nil && (answer.HTTPStatus >= http.StatusInternalServerError || answer.HTTPStatus == http.StatusTooManyRequests) {
		d := parse(answer, settings.Dialect)
		failure, failed = refused(answer, &settings, grant, &d), true
	}
	if !failed {
		return nil
	}
	if failure.Class == token.ClassAmbiguous {
		failure.Class, failure.Reason = token.ClassNotSent, token.ReasonNotSent
	}
	failure.Sent = false
	failure.Message = "nothing was redeemed, because the request for a nonce before it failed: " + failure.Message
	return failure
}
