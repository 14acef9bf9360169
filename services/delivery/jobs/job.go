package jobs

import (
	"errors"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
)

// Kind is what a job does. The numbers are those of the store.
type Kind int

// The kinds.
const (
	KindReplay  Kind = 1
	KindRedrive Kind = 2
)

// State is how far a job is. The numbers are those of the API and of the store.
type State int

// The states. Starting, Running and Cancelling jobs are driven.
const (
	Starting   State = 1
	Running    State = 2
	Cancelling State = 3
	Completed  State = 4
	Cancelled  State = 5
	Failed     State = 6
	Paused     State = 7
)

// String returns the state's name in the API.
func (s State) String() string {
	names := [...]string{"", "STARTING", "RUNNING", "CANCELLING", "COMPLETED", "CANCELLED", "FAILED", "PAUSED"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// Ended tells whether a job in this state never goes on.
func (s State) Ended() bool { return s == Completed || s == Cancelled || s == Failed }

// Name names a job. Each kind has its own names.
type Name struct {
	Project string
	Kind    Kind
	ID      string
}

// String returns the resource name.
func (n Name) String() string {
	collection := "/replays/"
	if n.Kind == KindRedrive {
		collection = "/redrives/"
	}
	return "projects/" + n.Project + collection + n.ID
}

// NotFound is the error of a job of the kind that is not there.
func (k Kind) NotFound() error {
	if k == KindRedrive {
		return ErrRedriveNotFound
	}
	return ErrReplayNotFound
}

// What a use case or a store may answer, besides the errors of package delivery. They are wrapped in errors whose text names the
// resource.
var (
	ErrReplayNotFound  = errors.New("no such replay")
	ErrRedriveNotFound = errors.New("no such redrive")
	// ErrLimit means that the project has as many jobs of the kind that have not ended as it may.
	ErrLimit = errors.New("limit reached")
	// ErrLost means that the job is not in the state it was in, or that somebody else drives it.
	ErrLost = errors.New("the job is not driven from here any more")
)

// Job is a piece of long work, and how far it is.
type Job struct {
	Name        Name
	Description string
	State       State
	Reason      string  // of Failed, for people
	Replay      Replay  // of a KindReplay
	Redrive     Redrive // of a KindRedrive
	// Rate is the number of items in a second.
	Rate   int
	Cursor Cursor
	// Items is the number of events or deliveries gone through, Effects that of the deliveries that came of them.
	Items, Effects int64
	Total          int64 // of Items, where it is known
	// LastTime is the time of the last item, in the order in which the job goes through them.
	LastTime time.Time
	Owner    string // the instance that drives it; empty: nobody
	Fence    int64  // rises with every claim

	CreateTime time.Time
	BeginTime  time.Time
	EndTime    time.Time
}

// Cursor is a place between two items. Phase counts the sources that are through.
type Cursor struct {
	Phase int
	Time  time.Time
	ID    string
}

// Replay is what a replay is asked to do.
type Replay struct {
	Bus     delivery.BusName
	Archive string // the source's id; empty: the bus's history
	// Archives are the unique ids of the archives to go through.
	Archives []string
	Rules    []string // ids; empty: all rules of the bus
	// Start and End bound the time of events, Start inclusive, End exclusive. A backfill has no End, and its Start is of the acceptance.
	Start, End time.Time
	// Backfill says that Rules[0] is new and gets the events themselves.
	Backfill bool
}

// Redrive is what a redrive is asked to do.
type Redrive struct {
	Filter delivery.Filter
	Text   string // of Filter, as it was given
	// UseRules says that targets are taken as their rules have them now.
	UseRules    bool
	Destination string // id; empty: each keeps its own
}

// Progress returns which part is behind a job, between 0 and 1: of a redrive's deliveries, or of a replay's range, judged by time.
func (j *Job) Progress() float64 {
	switch {
	case j.State == Completed:
		return 1
	case j.Name.Kind == KindRedrive:
		return min(float64(j.Items)/float64(max(j.Total, 1)), 1)
	}
	begin, end := j.Replay.Start, j.Replay.End
	if end.IsZero() || end.After(j.CreateTime) {
		end = j.CreateTime
	}
	if j.LastTime.IsZero() || !end.After(begin) {
		return 0
	}
	return min(max(float64(j.LastTime.Sub(begin))/float64(end.Sub(begin)), 0), 1)
}

// Estimate returns when a running job will be through if it goes on as so far; the zero time if there is nothing to judge by.
func (s *Service) Estimate(j *Job) time.Time {
	done, now := j.Progress(), s.stamp()
	elapsed := now.Sub(j.BeginTime)
	if j.State != Running || done <= 0 || elapsed <= 0 {
		return time.Time{}
	}
	return now.Add(time.Duration(float64(elapsed) * (1 - done) / done))
}
