package proxy

import (
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// CallLog keeps what became of calls.
type CallLog interface {
	// Add keeps a record. It is called before the caller's next call can begin, and must not wait for anything.
	Add(r Record)
}

// Record is what became of a call whose connection is known. It holds neither headers nor bodies nor the query.
type Record struct {
	Project    string
	Connection string // id
	Grant      string // id; empty: the connection's own token
	StartTime  time.Time
	Duration   time.Duration
	Method     string
	Host       string // empty where it did not come to that
	Path       string // that was called, or asked for where it did not come to that
	Status     int    // of the API's last answer; 0: none
	Reason     string // of an answer that is not the API's; empty: it is
	Attempts   int
	// RequestBytes and ResponseBytes are those of bodies that were read from the caller and passed on.
	RequestBytes, ResponseBytes int64
	TraceID                     string
}

// record has the call kept.
func (c *call) record(span trace.Span, begin time.Time, took time.Duration, err error) {
	parts := strings.Split(c.name.Connection, "/")
	if c.proxy.params.Calls == nil || len(parts) != 4 {
		return
	}
	r := Record{
		Project: parts[1], Connection: parts[3], StartTime: begin, Duration: took, Method: c.in.Method, Path: c.name.Path, Status: c.status,
		Attempts: c.attempts, ResponseBytes: c.passed,
	}
	if of, found := strings.CutPrefix(c.name.Token, c.name.Connection+"/grants/"); found {
		r.Grant = strings.TrimSuffix(of, "/token")
	}
	if c.target != nil {
		r.Host, r.Path = c.target.Host, c.target.EscapedPath()
	}
	if err != nil {
		r.Reason = rpcerr.ReasonOf(err).String()
	}
	if c.body != nil {
		r.RequestBytes = c.body.taken.Load()
	}
	if trace := span.SpanContext(); trace.HasTraceID() {
		r.TraceID = trace.TraceID().String()
	}
	c.proxy.params.Calls.Add(r)
}
