package rpc_test

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/timestamppb"

	callsv1 "github.com/freshet-io/freshet/gen/freshet/calls/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/calllog"
	"github.com/freshet-io/freshet/services/calllog/rpc"
	"github.com/freshet-io/freshet/services/calllog/store"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/page"
	"github.com/freshet-io/freshet/services/internal/rpcclient"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
	"github.com/freshet-io/freshet/services/internal/rpcserver"
	"github.com/freshet-io/freshet/services/internal/seal"
	"github.com/freshet-io/freshet/services/internal/sqldb"
	"github.com/freshet-io/freshet/services/internal/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Wrap(m)) }

const adminKey = "fk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// serve returns a client of a log with some calls.
func serve(t *testing.T, calls ...calllog.Call) callsv1.CallLogServiceClient {
	t.Helper()
	stored := store.New(sqltest.Open(t, sqldb.SQLite, store.Migrations()))
	require.NoError(t, stored.AddCalls(t.Context(), calls))
	log, err := calllog.NewLog(calllog.Params{Store: stored})
	require.NoError(t, err)
	server, err := rpcserver.New(rpcserver.Config{
		Logger: slog.New(slog.DiscardHandler), Authenticator: authn.New(sha256.Sum256([]byte(adminKey)), nil),
	})
	require.NoError(t, err)
	rpc.Register(server, log, rpc.Options{Pages: page.NewCodec(make([]byte, 32))})
	memory := bufconn.Listen(1 << 20)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, memory) }()
	conn, err := rpcclient.Dial("memory", rpcclient.Options{
		Credentials: authn.AdminCredentials(seal.NewSecret(adminKey)),
		Dialer:      func(ctx context.Context, _ string) (net.Conn, error) { return memory.DialContext(ctx) },
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = conn.Close()
		cancel()
		require.NoError(t, <-served)
	})
	return callsv1.NewCallLogServiceClient(conn)
}

// made is a call that began n seconds after noon.
func made(n, status int, connection, grant string) calllog.Call {
	start := noon().Add(time.Duration(n) * time.Second)
	return calllog.Call{
		Project: "p", ID: calllog.Edge(start), Connection: connection, Grant: grant, StartTime: start, Duration: time.Second, Method: "GET",
		Host: "api.example", Path: "/x", Status: status, Attempts: 1,
	}
}

func TestListCalls(t *testing.T) {
	timeout := made(2, 0, "a", "g")
	timeout.Reason = "UPSTREAM_TIMEOUT"
	client := serve(t, made(0, 200, "a", ""), made(1, 503, "b", ""), timeout)
	list := func(req *callsv1.ListCallsRequest) (seconds string) {
		t.Helper()
		req.Parent, req.PageSize = "projects/p", 1
		for more := true; more; more = req.GetPageToken() != "" {
			answer, err := client.ListCalls(t.Context(), req)
			require.NoError(t, err)
			for _, c := range answer.GetCalls() {
				seconds += c.GetStartTime().AsTime().Format("5 ")
			}
			req.PageToken = answer.GetNextPageToken()
		}
		return seconds
	}
	require.Equal(t, "2 1 0 ", list(&callsv1.ListCallsRequest{}))
	require.Equal(t, "2 0 ", list(&callsv1.ListCallsRequest{Resource: "projects/p/connections/a"}))
	require.Equal(t, "2 ", list(&callsv1.ListCallsRequest{Resource: "projects/p/connections/a/grants/g"}))
	require.Equal(t, "1 ", list(&callsv1.ListCallsRequest{StatusClass: callsv1.Call_SERVER_ERROR}))
	require.Equal(t, "2 ", list(&callsv1.ListCallsRequest{StatusClass: callsv1.Call_NO_ANSWER}))
	require.Equal(t, "1 ", list(&callsv1.ListCallsRequest{
		StartTime: timestamppb.New(noon().Add(time.Second)), EndTime: timestamppb.New(noon().Add(2 * time.Second)),
	}))

	answer, err := client.ListCalls(t.Context(), &callsv1.ListCallsRequest{Parent: "projects/p", PageSize: 1})
	require.NoError(t, err)
	c := answer.GetCalls()[0]
	require.Equal(t, "projects/p/connections/a/grants/g", c.GetGrant())
	require.Equal(t, errorsv1.Reason_UPSTREAM_TIMEOUT, c.GetReason())
	require.Equal(t, time.Second, c.GetDuration().AsDuration())
	require.True(t, strings.HasPrefix(c.GetName(), "projects/p/calls/0"))

	for _, test := range []struct {
		request *callsv1.ListCallsRequest
		reason  errorsv1.Reason
	}{
		{&callsv1.ListCallsRequest{Resource: "projects/other/connections/a"}, errorsv1.Reason_INVALID_FIELD},
		{&callsv1.ListCallsRequest{Resource: "crm"}, errorsv1.Reason_INVALID_FIELD},
		{&callsv1.ListCallsRequest{StatusClass: 9}, errorsv1.Reason_INVALID_FIELD},
		{&callsv1.ListCallsRequest{PageToken: answer.GetNextPageToken(), Resource: "projects/p/connections/a"}, errorsv1.Reason_INVALID_PAGE_TOKEN},
	} {
		test.request.Parent = "projects/p"
		_, err := client.ListCalls(t.Context(), test.request)
		require.Equal(t, codes.InvalidArgument, status.Code(err))
		require.Equal(t, test.reason, rpcerr.ReasonOf(err), "%v", test.request)
	}
}
