package rpc

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	callsv1 "github.com/freshet-io/freshet/gen/freshet/calls/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/calllog"
	"github.com/freshet-io/freshet/services/internal/page"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// Options are what the handlers need besides the log.
type Options struct {
	// Logger gets errors that callers do not see in full. Default: discard.
	Logger *slog.Logger
	// Pages makes page tokens. Required.
	Pages *page.Codec
}

// Register registers the service.
func Register(r grpc.ServiceRegistrar, log *calllog.Log, o Options) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	callsv1.RegisterCallLogServiceServer(r, &server{log: log, options: o})
}

type server struct {
	callsv1.UnimplementedCallLogServiceServer
	log     *calllog.Log
	options Options
}

// ListCalls implements callsv1.CallLogServiceServer.
func (s *server) ListCalls(ctx context.Context, req *callsv1.ListCallsRequest) (*callsv1.ListCallsResponse, error) {
	project, query, err := toQuery(req)
	if err != nil {
		return nil, err
	}
	tokenScope := strings.Join([]string{
		"ListCalls", req.GetParent(), req.GetResource(), req.GetStatusClass().String(), query.From.Format(time.RFC3339Nano),
		query.Before.Format(time.RFC3339Nano),
	}, "|")
	cursor, err := s.options.Pages.Decode(tokenScope, req.GetPageToken())
	if err != nil {
		return nil, s.toStatus(ctx, err)
	}
	if len(cursor) == 1 {
		query.After = cursor[0]
	}
	size := page.Size(req.GetPageSize())
	query.Limit = size + 1
	list, err := s.log.List(ctx, project, query)
	if err != nil {
		return nil, s.toStatus(ctx, err)
	}
	response := &callsv1.ListCallsResponse{}
	if len(list) > size {
		list = list[:size]
		response.NextPageToken = s.options.Pages.Encode(tokenScope, list[size-1].ID)
	}
	for i := range list {
		response.Calls = append(response.Calls, fromCall(&list[i]))
	}
	return response, nil
}

// toQuery converts what a caller asks for.
func toQuery(req *callsv1.ListCallsRequest) (project string, q calllog.Query, err error) {
	project = strings.TrimPrefix(req.GetParent(), "projects/")
	q.Class = calllog.Class(req.GetStatusClass())
	if t := req.GetStartTime(); t != nil {
		q.From = t.AsTime()
	}
	if t := req.GetEndTime(); t != nil {
		q.Before = t.AsTime()
	}
	if req.GetResource() == "" {
		return project, q, nil
	}
	parts := strings.Split(req.GetResource(), "/")
	if len(parts) != 4 && len(parts) != 6 || parts[1] != project {
		return "", q, rpcerr.Invalid(rpcerr.Violation{
			Field:       "resource",
			Description: "must be of the same project: projects/{project}/connections/{connection}, or a grant's name",
		})
	}
	q.Connection = parts[3]
	if len(parts) == 6 {
		q.Grant = parts[5]
	}
	return project, q, nil
}

func fromCall(c *calllog.Call) *callsv1.Call {
	of := "projects/" + c.Project
	m := &callsv1.Call{
		Name: of + "/calls/" + c.ID, Connection: of + "/connections/" + c.Connection, StartTime: timestamppb.New(c.StartTime),
		Duration: durationpb.New(c.Duration), Method: c.Method, Host: c.Host, Path: c.Path, StatusCode: int32(c.Status),
		StatusClass: callsv1.Call_StatusClass(calllog.ClassOf(c.Status)), Reason: errorsv1.Reason(errorsv1.Reason_value[c.Reason]),
		Attempts:     int32(c.Attempts),
		RequestBytes: c.RequestBytes, ResponseBytes: c.ResponseBytes, TraceId: c.TraceID,
	}
	if c.Grant != "" {
		m.Grant = m.GetConnection() + "/grants/" + c.Grant
	}
	return m
}

// toStatus is the one place where errors of this service become statuses.
func (s *server) toStatus(ctx context.Context, err error) error {
	if errors.Is(err, page.ErrInvalidToken) {
		return rpcerr.InvalidReason(errorsv1.Reason_INVALID_PAGE_TOKEN,
			rpcerr.Violation{Field: "page_token", Description: "must be the next_page_token of a call with the same other fields, or empty"})
	}
	return rpcerr.Internal(ctx, s.options.Logger, err)
}
