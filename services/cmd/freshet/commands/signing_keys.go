package commands

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
)

type signingKeysCmd struct {
	List   signingKeysListCmd   `cmd:"" help:"List a destination's signing keys."`
	Create signingKeysCreateCmd `cmd:"" help:"Create a signing key, and show its secret this once."`
	Delete signingKeysDeleteCmd `cmd:"" help:"Delete a signing key."`
}

type signingKeysListCmd struct{ destinationArg }

// Run lists keys.
func (c *signingKeysListCmd) Run(ctx context.Context, s *session, f *destinationsCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.signingKeys.ListSigningKeys(ctx, &deliveryv1.ListSigningKeysRequest{Parent: f.name("destinations", c.Destination)})
	if err != nil {
		return err
	}
	if f.Output == "json" {
		return printJSONList(s.stdout, "signingKeys", answer.GetSigningKeys())
	}
	t := newTable(s.stdout, "KEY", "ALGORITHM", "CREATED", "EXPIRES", "PUBLIC KEY")
	for _, k := range answer.GetSigningKeys() {
		t.row(last(k.GetName()), k.GetAlgorithm().String(), relative(k.GetCreateTime(), s.now()),
			orDash(relative(k.GetExpireTime(), s.now())), k.GetPublicKey())
	}
	return t.flush()
}

type signingKeysCreateCmd struct {
	destinationArg
	Algorithm         string         `help:"HMAC_SHA256 (default) or ED25519." placeholder:"NAME"`
	Secret            string         `help:"A key to import: @FILE to read it from a file, - from standard input." placeholder:"@FILE"`
	RetireOthersAfter *time.Duration `help:"Let the destination's other keys sign for so long still." placeholder:"TIME"`
}

// Run creates a key.
func (c *signingKeysCreateCmd) Run(ctx context.Context, s *session, f *destinationsCmd) error {
	algorithm, err := enumValue("--algorithm", c.Algorithm, deliveryv1.SigningKey_Algorithm_value)
	if err != nil {
		return err
	}
	request := &deliveryv1.CreateSigningKeyRequest{
		Parent: f.name("destinations", c.Destination), Algorithm: deliveryv1.SigningKey_Algorithm(algorithm),
	}
	if c.RetireOthersAfter != nil {
		request.RetireOthersAfter = durationpb.New(*c.RetireOthersAfter)
	}
	if request.Secret, err = importedSecret(s, "--secret", c.Secret); err != nil {
		return err
	}
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.signingKeys.CreateSigningKey(ctx, request)
	if err != nil {
		return err
	}
	if f.Output == "json" {
		return printJSON(s.stdout, answer)
	}
	t := newTable(s.stdout)
	t.property("Name", answer.GetSigningKey().GetName())
	t.property("Public key", answer.GetSigningKey().GetPublicKey())
	t.property("Secret", answer.GetSecret())
	return t.flush()
}

// importedSecret reads the secret of a flag, which must not stand on the command line.
func importedSecret(s *session, flag, from string) (string, error) {
	if from == "" {
		return "", nil
	}
	if from != "-" && from[0] != '@' {
		return "", usagef("%s: give @FILE or -; a secret on the command line would be seen by others", flag)
	}
	text, err := given(s, flag, from)
	return strings.TrimSpace(string(text)), err
}

type signingKeysDeleteCmd struct {
	destinationArg
	Key string `arg:"" help:"Id of the key."`
}

// Run deletes a key.
func (c *signingKeysDeleteCmd) Run(ctx context.Context, s *session, f *destinationsCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	name := f.name("destinations", c.Destination) + "/signingKeys/" + c.Key
	if _, err := cl.signingKeys.DeleteSigningKey(ctx, &deliveryv1.DeleteSigningKeyRequest{Name: name}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stdout, "%s is deleted\n", c.Key)
	return err
}
