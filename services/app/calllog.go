package app

import (
	"context"

	"github.com/freshet-io/freshet/services/calllog"
	calllogrpc "github.com/freshet-io/freshet/services/calllog/rpc"
	calllogstore "github.com/freshet-io/freshet/services/calllog/store"
	"github.com/freshet-io/freshet/services/gateway/proxy"
	"github.com/freshet-io/freshet/services/internal/lifecycle"
)

// buildGateway makes what the gateway role keeps: the log of the API proxy's calls.
func buildGateway(_ context.Context, p *process, db *database) ([]lifecycle.Task, error) {
	log, err := calllog.NewLog(calllog.Params{
		Store: calllogstore.New(db.DB), Retention: p.config.Calls.Retention, MaxCount: p.config.Calls.MaxCount,
		Logger: p.logger("calls"), MeterProvider: p.telemetry.MeterProvider, Now: p.now,
	})
	if err != nil {
		return nil, err
	}
	calllogrpc.Register(p.server, log, calllogrpc.Options{Logger: p.logger("calls"), Pages: p.pages})
	if p.config.Calls.MaxCount > 0 {
		p.calls = callRecorder{log}
	}
	return []lifecycle.Task{{Name: "calls", Run: log.Run}}, nil
}

// callRecorder hands the proxy's calls to the log.
type callRecorder struct{ log *calllog.Log }

// Add implements proxy.CallLog.
func (r callRecorder) Add(c proxy.Record) {
	r.log.Add(calllog.Call{
		Project: c.Project, Connection: c.Connection, Grant: c.Grant, StartTime: c.StartTime, Duration: c.Duration, Method: c.Method,
		Host: c.Host, Path: c.Path, Status: c.Status, Reason: c.Reason, Attempts: c.Attempts, RequestBytes: c.RequestBytes,
		ResponseBytes: c.ResponseBytes, TraceID: c.TraceID,
	})
}
