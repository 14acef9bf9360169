package calllog

import (
	"context"
	"time"

	"github.com/oklog/ulid/v2"
)

// Class is that of an API's status, by its first digit.
type Class int

// NoAnswer is the class of calls without a status. 2 to 5 are those of HTTP.
const NoAnswer Class = 1

// ClassOf is the class of a status; 0 is none. Those that HTTP does not have count as none.
func ClassOf(status int) Class {
	if status < 200 || status > 599 {
		return NoAnswer
	}
	return Class(status / 100)
}

// Call is one call through the API proxy.
type Call struct {
	Project    string
	ID         string // ULID, of StartTime; set by [Log.Add]
	Connection string // id
	Grant      string // id; empty: the connection's own token
	StartTime  time.Time
	Duration   time.Duration
	Method     string
	Host       string // empty where it did not come to that
	Path       string // without the query
	Status     int    // of the API's last answer; 0: none
	Reason     string // of an answer that is not the API's; empty: it is
	Attempts   int
	// RequestBytes and ResponseBytes are those of bodies that were read and passed on.
	RequestBytes, ResponseBytes int64
	TraceID                     string
}

// Query selects calls of a project. Zero members select all.
type Query struct {
	Connection string // id
	Grant      string // id; only with Connection
	Class      Class
	// From and Before bound when a call began, to the millisecond, From inclusive.
	From, Before time.Time
	After        string // id of the last call of the page before
	Limit        int
}

// beyond is greater than every id.
const beyond = "~"

// Bounds returns between which ids the calls of the query are: lowest inclusive, highest exclusive.
func (q Query) Bounds() (lowest, highest string) {
	highest = beyond
	if !q.Before.IsZero() {
		highest = Edge(q.Before)
	}
	if q.After != "" {
		highest = min(highest, q.After)
	}
	if !q.From.IsZero() {
		lowest = Edge(q.From)
	}
	return lowest, highest
}

// Edge is the least id of a call that began in the millisecond of t.
func Edge(t time.Time) string {
	var id ulid.ULID
	if ms := t.UnixMilli(); ms > 0 {
		_ = id.SetTime(min(uint64(ms), ulid.MaxTime()))
	}
	return id.String()
}

// Store keeps calls. Implementations pass storetest.Run.
type Store interface {
	// AddCalls stores calls. Those that are there already stay as they are.
	AddCalls(ctx context.Context, calls []Call) error
	// ListCalls returns calls of a project, the newest first.
	ListCalls(ctx context.Context, project string, q Query) ([]Call, error)
	// TrimCalls removes up to limit of the oldest calls with an id below the given one, and returns how many it removed.
	TrimCalls(ctx context.Context, below string, limit int) (int, error)
	// NewestCalls returns the id of the n-th newest call; empty if there are fewer.
	NewestCalls(ctx context.Context, n int) (string, error)
}
