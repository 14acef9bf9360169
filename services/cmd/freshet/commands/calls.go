package commands

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	callsv1 "github.com/freshet-io/freshet/gen/freshet/calls/v1"
)

type callsCmd struct {
	clientFlags
	List callsListCmd `cmd:"" help:"List calls, the newest first."`
}

type callsListCmd struct {
	Connection string        `arg:"" optional:"" help:"Id of the connection whose token, or whose grants' tokens, were used. Default: all of the project."`
	Grant      string        `arg:"" optional:"" help:"Id of the grant whose token was used."`
	Class      string        `help:"Only calls with answers of this class: SUCCESS, REDIRECTION, CLIENT_ERROR, SERVER_ERROR or NO_ANSWER." placeholder:"CLASS"`
	Since      time.Duration `help:"Only calls that began within this time." placeholder:"TIME"`
	Limit      int           `default:"50" help:"At most so many; 0 for all. Default: ${default}." placeholder:"N"`
}

// Run lists calls.
func (c *callsListCmd) Run(ctx context.Context, s *session, f *callsCmd) error {
	class, err := enumValue("--class", c.Class, callsv1.Call_StatusClass_value)
	if err != nil {
		return err
	}
	request := &callsv1.ListCallsRequest{Parent: f.parent(), StatusClass: callsv1.Call_StatusClass(class)}
	if c.Connection != "" {
		request.Resource = f.name("connections", c.Connection)
	}
	if c.Grant != "" {
		request.Resource += "/grants/" + c.Grant
	}
	if c.Since > 0 {
		request.StartTime = timestamppb.New(s.now().Add(-c.Since))
	}
	cl, err := f.connect(s, roleGateway)
	if err != nil {
		return err
	}
	defer cl.close()
	calls, err := pages(c.Limit, func(size int32, token string) ([]*callsv1.Call, string, error) {
		request.PageSize, request.PageToken = size, token
		page, err := cl.callLog.ListCalls(ctx, request)
		return page.GetCalls(), page.GetNextPageToken(), err
	})
	if err != nil {
		return err
	}
	if f.Output == "json" {
		return printJSONList(s.stdout, "calls", calls)
	}
	t := newTable(s.stdout, "BEGAN", "CONNECTION", "GRANT", "CALL", "STATUS", "TOOK", "BYTES", "TRACE")
	for _, m := range calls {
		status := strconv.Itoa(int(m.GetStatusCode()))
		if reason := reasonText(m.GetReason()); reason != "" {
			status = reason
		}
		t.row(absolute(m.GetStartTime().AsTime()), last(m.GetConnection()), orDash(last(m.GetGrant())),
			m.GetMethod()+" "+m.GetHost()+m.GetPath(), status, m.GetDuration().AsDuration().Round(time.Millisecond).String(),
			fmt.Sprintf("%d/%d", m.GetRequestBytes(), m.GetResponseBytes()), orDash(m.GetTraceId()))
	}
	return t.flush()
}
