package grantjobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/freshet-io/freshet/services/connection"
)

// What a use case or a store may answer, besides the errors of package connection. They are wrapped with what they are about.
var (
	ErrNotFound = errors.New("grantjobs: no such job")
	ErrExists   = errors.New("grantjobs: exists")
	// ErrLimit means that the project has as many jobs that have not ended as it may.
	ErrLimit = errors.New("grantjobs: limit reached")
	// ErrEnded means that the job has ended, or has not, which rules out the call.
	ErrEnded = errors.New("grantjobs: not in that state")
	// ErrLost means that the job is not driven from here any more.
	ErrLost = errors.New("grantjobs: driven by somebody else, or ended")
)

// Action is what a job does to a grant. The names are those of the API.
type Action string

// The actions.
const (
	Revoke Action = "REVOKE"
	Delete Action = "DELETE"
	Erase  Action = "ERASE" // Delete, of one end user's grants, until there are none
)

// State is how far a job is. The names are those of the API.
type State string

// The states.
const (
	Running   State = "RUNNING"
	Succeeded State = "SUCCEEDED"
	Cancelled State = "CANCELLED"
)

// Name names a job.
type Name struct{ Project, ID string }

// String returns the resource name.
func (n Name) String() string { return "projects/" + n.Project + "/grantJobs/" + n.ID }

// Job does one thing to every grant that a filter selects.
type Job struct {
	Name   Name
	Action Action
	// Filter selects the grants. That of an Erase that has ended does not name the end user any more.
	Filter Filter
	// SkipRevocation leaves the credentials as they are at the authorization servers.
	SkipRevocation bool
	Subject        string // of an Erase, see [Subject]
	State          State
	Matched        int64 // grants there were on creation
	Ended          int64 // by this job
	Skipped        int64 // had ended before their turn
	// After is the grant that was gone through last.
	After connection.GrantCursor

	Owner string // the instance that drives it
	Fence int64  // rises with every claim

	CreateTime time.Time
	FinishTime time.Time
}

// Filter selects grants of a project. Zero members select all.
type Filter struct {
	Connection   string // id
	State        connection.State
	EndUser      string
	ExpireBefore time.Time
}

// query reads the next grants of the filter.
func (f Filter) query(after connection.GrantCursor, limit int) connection.GrantQuery {
	return connection.GrantQuery{
		Connection: f.Connection, State: f.State, EndUser: f.EndUser, ExpireBefore: f.ExpireBefore, After: after, Limit: limit,
	}
}

// Subject tells the erasures of an end user from those of others to whoever knows the id, and says nothing to everybody else.
func Subject(project, endUser string) string {
	sum := sha256.Sum256([]byte(project + "/" + endUser))
	return hex.EncodeToString(sum[:])
}

// Store keeps jobs. Implementations pass storetest.RunGrantJobs.
type Store interface {
	// CreateJob returns ErrExists if the name is taken, and ErrLimit if so many jobs of the project are Running already.
	CreateJob(ctx context.Context, j Job, limit int) error
	// Job returns a job, or ErrNotFound.
	Job(ctx context.Context, name Name) (Job, error)
	// Erasure returns the Running Erase of a subject, or ErrNotFound.
	Erasure(ctx context.Context, project, subject string) (Job, error)
	// ListJobs returns jobs of a project, ordered by id.
	ListJobs(ctx context.Context, project, after string, limit int) ([]Job, error)
	// ClaimJobs makes owner the one who drives Running jobs whose claim has run out, until the given time, and returns them with their fence
	// raised.
	ClaimJobs(ctx context.Context, owner string, now, until time.Time, limit int) ([]Job, error)
	// UpdateJob writes what changes while a job is driven, and renews the claim, or gives it back with a zero time. It returns ErrLost if the
	// job has another owner or fence, or is not Running any more.
	UpdateJob(ctx context.Context, j Job, until time.Time) error
	// CancelJob makes a Running job Cancelled, or returns ErrNotFound or ErrEnded. An Erase then names its end user no more.
	CancelJob(ctx context.Context, name Name, now time.Time) (Job, error)
	// DeleteJob removes a job that has ended, or returns ErrNotFound or ErrEnded.
	DeleteJob(ctx context.Context, name Name) error
	// CountGrants returns how many grants a filter selects. After and Limit of it do not count.
	CountGrants(ctx context.Context, project string, q connection.GrantQuery) (int64, error)
}

// Grants is the connection service.
type Grants interface {
	Get(ctx context.Context, name connection.Name) (connection.Connection, error)
	ListGrants(ctx context.Context, project string, q connection.GrantQuery) ([]connection.Grant, error)
	RevokeGrant(ctx context.Context, name connection.GrantName) (connection.Grant, error)
	DeleteGrant(ctx context.Context, name connection.GrantName, etag string, revoke bool) (connection.Grant, error)
}
