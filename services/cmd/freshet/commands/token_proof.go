package commands

import (
	"context"
	"fmt"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

type tokenProofCmd struct {
	tokenArg
	Method      string `default:"GET" help:"Method of the request. Default: ${default}." placeholder:"METHOD"`
	URL         string `name:"url" required:"" help:"URL of the request; its query does not matter." placeholder:"URL"`
	Nonce       string `help:"The server's latest DPoP-Nonce, if it gave one." placeholder:"TEXT"`
	Fingerprint string `help:"Fingerprint of the token that the request carries; fail if that is not the current one." placeholder:"HEX"`
}

// Run prints the proof, alone on a line, for the header DPoP.
func (c *tokenProofCmd) Run(ctx context.Context, s *session, f *tokenCmd) error {
	cl, err := f.connect(s, roleToken)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.proofs.CreateDpopProof(ctx, &tokenv1.CreateDpopProofRequest{
		Name: c.name(&f.clientFlags), HttpMethod: c.Method, Url: c.URL, Nonce: c.Nonce, Fingerprint: c.Fingerprint,
	})
	if err != nil {
		return err
	}
	if f.Output == "json" {
		return printJSON(s.stdout, answer)
	}
	_, err = fmt.Fprintln(s.stdout, answer.GetProof())
	return err
}
