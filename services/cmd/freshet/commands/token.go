package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

type tokenCmd struct {
	clientFlags
	Get       tokenGetCmd       `cmd:"" help:"Show the current token."`
	Watch     tokenWatchCmd     `cmd:"" help:"Show the token now and after every change, each generation ahead of the former one's expiry."`
	Refresh   tokenRefreshCmd   `cmd:"" help:"Obtain the next generation now."`
	Rehearse  tokenRehearseCmd  `cmd:"" help:"Walk the token through expiry, failing refreshes and recovery, and say what consumers would have seen."`
	Rotations tokenRotationsCmd `cmd:"" help:"List the attempts to get a next generation, newest first."`
	DpopProof tokenProofCmd     `cmd:"" name:"dpop-proof" help:"Print a proof of possession for one request with a token that is bound to a key (RFC 9449)."`
}

// tokenArg names the connection or grant that a token belongs to.
type tokenArg struct {
	Connection string `arg:"" help:"Id of the connection, CONNECTION/grants/GRANT, or a name projects/…"`
}

func (a tokenArg) name(f *clientFlags) string {
	return strings.TrimSuffix(f.name("connections", a.Connection), "/token") + "/token"
}

// secretFlag decides whether the credential itself is printed.
type secretFlag struct {
	ShowSecret bool `help:"Print the access token and the values that carry it; without it, only the fingerprint."`
}

func (f secretFlag) filter(t *tokenv1.Token) *tokenv1.Token {
	if f.ShowSecret {
		return t
	}
	return withoutSecrets(t)
}

type tokenGetCmd struct {
	tokenArg
	secretFlag
	MinTTL time.Duration `name:"min-ttl" help:"Least validity the token must have left; if it has less, wait for the next generation." placeholder:"TIME"`
}

// Run shows the current token.
func (c *tokenGetCmd) Run(ctx context.Context, s *session, f *tokenCmd) error {
	cl, err := f.connect(s, roleToken)
	if err != nil {
		return err
	}
	defer cl.close()
	request := &tokenv1.GetTokenRequest{Name: c.name(&f.clientFlags)}
	if c.MinTTL != 0 {
		request.MinTtl = durationpb.New(c.MinTTL)
	}
	answer, err := cl.tokens.GetToken(ctx, request)
	if err != nil {
		return err
	}
	return printToken(s, f.Output, c.filter(answer.GetToken()), c.ShowSecret)
}

type tokenRefreshCmd struct {
	tokenArg
	secretFlag
}

// Run obtains the next generation.
func (c *tokenRefreshCmd) Run(ctx context.Context, s *session, f *tokenCmd) error {
	cl, err := f.connect(s, roleToken)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.tokens.RefreshToken(ctx, &tokenv1.RefreshTokenRequest{Name: c.name(&f.clientFlags)})
	if err != nil {
		return err
	}
	return printToken(s, f.Output, c.filter(answer.GetToken()), c.ShowSecret)
}

type tokenWatchCmd struct {
	tokenArg
	secretFlag
	Count int `help:"End after so many messages. Default: never." placeholder:"N"`
}

// Run prints the token whenever it changes, until it is interrupted or the server ends the stream.
func (c *tokenWatchCmd) Run(ctx context.Context, s *session, f *tokenCmd) error {
	cl, err := f.connect(s, roleToken)
	if err != nil {
		return err
	}
	defer cl.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := cl.tokens.WatchToken(ctx, &tokenv1.WatchTokenRequest{Name: c.name(&f.clientFlags)})
	header := true
	for printed := 0; c.Count <= 0 || printed < c.Count; {
		var message *tokenv1.WatchTokenResponse
		if err == nil {
			message, err = stream.Recv()
		}
		switch {
		case errors.Is(err, io.EOF), ctx.Err() != nil && status.Code(err) == codes.Canceled:
			return nil // interrupting it is how a watch is ended
		case err != nil:
			return err
		case message.GetHeartbeat():
			continue
		}
		if err := c.print(s, f.Output, message, header); err != nil {
			return err
		}
		header = false
		printed++
	}
	return nil
}

// print prints one message on a line of its own. Columns are of fixed width: what is to come is not known.
func (c *tokenWatchCmd) print(s *session, output string, message *tokenv1.WatchTokenResponse, header bool) error {
	token := c.filter(message.GetToken())
	if output == "json" {
		text, err := compactJSON(&tokenv1.WatchTokenResponse{Token: token})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.stdout, "%s\n", text)
		return err
	}
	const columns = "%-21s %10s  %-19s %-16s %-16s %s\n"
	if header {
		if _, err := fmt.Fprintf(s.stdout, columns, "TIME", "GENERATION", "STATE", "EXPIRES", "NEXT REFRESH", c.column()); err != nil {
			return err
		}
	}
	credential := token.GetFingerprint()
	if c.ShowSecret {
		credential = secretText(token)
	}
	if token.GetState() != tokenv1.Token_AUTHORIZED {
		credential = strings.TrimSpace(reasonText(token.GetStateReason()) + " " + token.GetStateMessage())
	}
	line := fmt.Sprintf(columns, absolute(s.now()), strconv.FormatInt(token.GetGeneration(), 10), token.GetState(),
		orDash(relative(token.GetExpireTime(), s.now())), orDash(relative(token.GetNextRefreshTime(), s.now())), printable(credential))
	_, err := io.WriteString(s.stdout, strings.TrimRight(line, " \n")+"\n")
	return err
}

func (c *tokenWatchCmd) column() string {
	if c.ShowSecret {
		return "TOKEN"
	}
	return "FINGERPRINT"
}

type tokenRotationsCmd struct {
	tokenArg
	Limit int `default:"50" help:"At most so many; 0 for all. Default: ${default}." placeholder:"N"`
}

// Run lists rotations.
func (c *tokenRotationsCmd) Run(ctx context.Context, s *session, f *tokenCmd) error {
	cl, err := f.connect(s, roleToken)
	if err != nil {
		return err
	}
	defer cl.close()
	request := &tokenv1.ListRotationsRequest{Parent: c.name(&f.clientFlags)}
	rotations, err := pages(c.Limit, func(size int32, token string) ([]*tokenv1.Rotation, string, error) {
		request.PageSize, request.PageToken = size, token
		page, err := cl.tokens.ListRotations(ctx, request)
		return page.GetRotations(), page.GetNextPageToken(), err
	})
	if err != nil {
		return err
	}
	if f.Output == "json" {
		return printJSONList(s.stdout, "rotations", rotations)
	}
	t := newTable(s.stdout, "GENERATION", "STATE", "TRIGGER", "STARTED", "TOOK", "LEAD", "HTTP", "FAILURE")
	for _, r := range rotations {
		took, lead, http, failure := "", "", "", ""
		if r.GetEndTime() != nil {
			took = span(r.GetEndTime().AsTime().Sub(r.GetStartTime().AsTime()))
		}
		if r.GetLeadTime() != nil {
			lead = r.GetLeadTime().AsDuration().Round(time.Millisecond).String()
		}
		if r.GetHttpStatus() != 0 {
			http = strconv.Itoa(int(r.GetHttpStatus()))
		}
		if r.GetFailureClass() != tokenv1.FailureClass_FAILURE_CLASS_UNSPECIFIED {
			failure = r.GetFailureClass().String() + ": " + r.GetFailureMessage()
		}
		t.row(strconv.FormatInt(r.GetGeneration(), 10), r.GetState().String(), r.GetTrigger().String(),
			relative(r.GetStartTime(), s.now()), orDash(took), orDash(lead), orDash(http), failure)
	}
	return t.flush()
}

// pages gathers the items of a list up to limit; 0 is all.
func pages[M proto.Message](limit int, next func(size int32, token string) ([]M, string, error)) ([]M, error) {
	const largest = 250 // what the services allow
	items := []M{}
	for token := ""; ; {
		size := largest
		if limit > 0 {
			size = min(size, limit-len(items))
		}
		page, following, err := next(int32(size), token)
		if err != nil {
			return nil, err
		}
		items = append(items, page...)
		if token = following; token == "" || limit > 0 && len(items) >= limit {
			return items, nil
		}
	}
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
