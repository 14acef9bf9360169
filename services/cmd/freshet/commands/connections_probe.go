package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/durationpb"
	"sigs.k8s.io/yaml"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

type connectionsProbeCmd struct {
	File             string        `short:"f" help:"What to probe, YAML or JSON: the fields of a connection's oauth2, with clientSecret and refreshToken. - is standard input." placeholder:"FILE"`
	TokenEndpoint    string        `help:"URL of the token endpoint." placeholder:"URL"`
	ClientID         string        `name:"client-id" help:"Client id." placeholder:"ID"`
	ClientSecretFile string        `help:"File of the client secret." placeholder:"FILE"`
	RefreshTokenFile string        `help:"File of the refresh token of a grant that nobody needs; - is standard input." placeholder:"FILE"`
	ResourceURL      string        `name:"resource-url" help:"URL that answers 2xx to a GET with a valid access token: to learn what becomes of an old one." placeholder:"URL"`
	Watch            time.Duration `help:"How long old tokens are watched for an end that comes later; at most 1h. Default: not." placeholder:"TIME"`
	ID               string        `name:"id" default:"measured" help:"Id of the printed entry. Default: ${default}." placeholder:"ID"`
	Name             string        `help:"Name of the provider in the printed entry. Default: its id." placeholder:"NAME"`
	Docs             []string      `required:"" help:"The vendor's pages, which an entry must cite." placeholder:"URL,…"`
	Yes              bool          `help:"The grant may be used up: go on. Without it, the requests are only named."`
}

// Help implements kong.HelpProvider.
func (c *connectionsProbeCmd) Help() string {
	return `Redeems the refresh token, and those that follow from it, again and again, and prints a catalogue entry with what the server made of it. ` +
		`The grant is used up by this. The server makes the requests, within its egress rule; nothing is stored.

Secrets come from files or standard input, never from the command line.`
}

// Run probes an authorization server.
func (c *connectionsProbeCmd) Run(ctx context.Context, s *session, f *connectionsCmd) error {
	oauth2, err := c.subject(s)
	if err != nil {
		return err
	}
	cl, err := f.connect(s, roleToken)
	if err != nil {
		return err
	}
	defer cl.close()
	request := &tokenv1.LearnProviderRequest{Oauth2: oauth2, ResourceUrl: c.ResourceURL, ValidateOnly: !c.Yes}
	if c.Watch > 0 {
		request.Watch = durationpb.New(c.Watch)
	}
	stream, err := cl.learning.LearnProvider(ctx, request)
	if err != nil {
		return err
	}
	if !c.Yes {
		_, _ = fmt.Fprintf(s.stderr, "Requests to %s, with client %s:\n", printable(oauth2.GetTokenEndpoint()), printable(oauth2.GetClientId()))
	}
	for {
		message, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF) && !c.Yes:
			return usagef("the grant is used up by this: --yes is needed")
		case errors.Is(err, io.EOF):
			return errors.New("the server ended without a result")
		case err != nil:
			return err
		}
		if step := message.GetStep(); step != nil {
			c.tell(s, step)
			continue
		}
		return c.print(s, f.Output, oauth2, message.GetLesson())
	}
}

// tell says what was done, or would be, where the entry is not printed.
func (c *connectionsProbeCmd) tell(s *session, step *tokenv1.LearningStep) {
	if step.GetOutcome() == "" {
		_, _ = fmt.Fprintf(s.stderr, "  %s\n", printable(step.GetPurpose()))
		return
	}
	_, _ = fmt.Fprintf(s.stderr, "%3d  %s: %s\n", step.GetHttpStatus(), printable(step.GetPurpose()), printable(step.GetOutcome()))
}

// subject gathers what is probed.
func (c *connectionsProbeCmd) subject(s *session) (*connectionv1.OAuth2Authorization, error) {
	oauth2 := &connectionv1.OAuth2Authorization{}
	if c.File != "" {
		text, err := readFileOrStdin(s, c.File)
		if err != nil {
			return nil, err
		}
		document, err := yaml.YAMLToJSON(text)
		if err == nil {
			err = protojson.Unmarshal(document, oauth2)
		}
		if err != nil { // the decoders' errors may quote a secret
			return nil, usagef("--file: %s is not the YAML or JSON of the fields of a connection's oauth2", c.File)
		}
	}
	oauth2.GrantType = connectionv1.OAuth2Authorization_REFRESH_TOKEN
	if c.TokenEndpoint != "" {
		oauth2.TokenEndpoint = c.TokenEndpoint
	}
	if c.ClientID != "" {
		oauth2.ClientId = c.ClientID
	}
	for _, secret := range []struct {
		file  string
		value *string
	}{{c.ClientSecretFile, &oauth2.ClientSecret}, {c.RefreshTokenFile, &oauth2.RefreshToken}} {
		if secret.file == "" {
			continue
		}
		text, err := readFileOrStdin(s, secret.file)
		if err != nil {
			return nil, err
		}
		*secret.value = strings.TrimSpace(string(text))
	}
	if oauth2.GetTokenEndpoint() == "" || oauth2.GetClientId() == "" || oauth2.GetRefreshToken() == "" {
		return nil, usagef("token endpoint, client id and refresh token are needed: --file, or --token-endpoint, --client-id and --refresh-token-file")
	}
	return oauth2, nil
}

// readFileOrStdin reads all of a file, or of standard input if its name is a hyphen.
func readFileOrStdin(s *session, file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(s.stdin)
	}
	return os.ReadFile(file)
}
