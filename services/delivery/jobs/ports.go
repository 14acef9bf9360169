package jobs

import (
	"context"
	"time"

	"github.com/freshet-io/freshet/services/delivery"
)

// Store keeps everything. Implementations pass storetest.RunJobs. Every method is one transaction and returns after it is durable.
type Store interface {
	Jobs
	Past
	Dead
}

// Jobs keeps jobs.
type Jobs interface {
	// CreateJob returns delivery.ErrExists, and ErrLimit while limit jobs of the project and kind have not ended.
	CreateJob(ctx context.Context, job Job, limit int) error
	// CreateRuleWith creates a rule, as delivery.Rules does, together with a job.
	CreateRuleWith(ctx context.Context, rule delivery.Rule, job Job, limit int) error
	// Job returns ErrReplayNotFound or ErrRedriveNotFound.
	Job(ctx context.Context, name Name) (Job, error)
	// ListJobs returns jobs of a kind by id, those after the given one.
	ListJobs(ctx context.Context, project string, kind Kind, after string, limit int) ([]Job, error)
	// SetState puts a job that is in one of the states from into the state to; the errors of Job, delivery.ErrStateConflict.
	SetState(ctx context.Context, name Name, from []State, to State) (Job, error)
	// DeleteJob returns the errors of Job, and delivery.ErrStateConflict unless the job has ended.
	DeleteJob(ctx context.Context, name Name) error
	// ClaimJobs makes the owner, if it is a known instance, drive up to limit jobs that no known instance drives.
	ClaimJobs(ctx context.Context, owner string, limit int) ([]Job, error)
	// ReleaseJob makes nobody drive a job that its owner drives with its fence.
	ReleaseJob(ctx context.Context, job Job) error
	// UpdateJob stores how far a job is; ErrLost unless its owner drives it with its fence and its state is the given one.
	UpdateJob(ctx context.Context, job Job, from State) error
	// Advance stores what plan returns, and how far the job is, with as many more Effects as there are deliveries, which it returns.
	// Once: events that are stored already stay as they are, and a target that an event was meant for already does not get it again.
	// ErrLost as UpdateJob, delivery.ErrBusNotFound.
	Advance(ctx context.Context, job Job, bus delivery.BusName, plan delivery.Plan, once bool) ([]*delivery.Delivery, error)
}

// Past reads events of the past.
type Past interface {
	// ArchivedByTime returns events of an archive by their time, those between from and before, after the cursor.
	ArchivedByTime(ctx context.Context, archive ArchiveKey, from, before time.Time, after Cursor, limit int) ([]*delivery.Event, error)
	// ArchivedByAcceptance returns events of an archive by their acceptance, those between from and before, after the cursor.
	ArchivedByAcceptance(
		ctx context.Context, archive ArchiveKey, from, before time.Time, after Cursor, limit int,
	) ([]*delivery.Event, error)
	// History returns the next events of a bus's project by their ids, those after the given one (empty: accepted from that time on) and
	// accepted before a time; of all buses.
	History(ctx context.Context, project string, from, before time.Time, after string, limit int) ([]*delivery.Event, error)
}

// Dead has dead deliveries started anew.
type Dead interface {
	// CountDead counts dead deliveries whose destination is there, up to limit.
	CountDead(ctx context.Context, project string, filter delivery.Filter, limit int) (int, error)
	// ListDead returns dead deliveries by their ids, those after the given one and accepted before a time; of their events only ids and
	// buses.
	ListDead(
		ctx context.Context, project string, filter delivery.Filter, before time.Time, after string, limit int,
	) ([]delivery.Delivery, error)
	// Restart starts those anew that are still dead and whose destination is there, and stores how far the job is, with as many more
	// Effects as there are lanes returned, one for each. ErrLost as UpdateJob.
	Restart(ctx context.Context, job Job, list []Restart, now time.Time) ([]delivery.DestinationName, error)
}

// Restart is a delivery that is to be started anew.
type Restart struct {
	ID          delivery.ID
	Destination string
	Target      *delivery.Target // nil: as it was
}

// ArchiveKey names an archive by its unique id.
type ArchiveKey struct {
	Bus delivery.BusName
	UID string
}

// Bus is the delivery service.
type Bus interface {
	Instance() string
	Joined() <-chan struct{}
	GetBus(ctx context.Context, name delivery.BusName) (delivery.Bus, error)
	GetArchive(ctx context.Context, name delivery.ArchiveName) (delivery.Archive, error)
	ListArchives(ctx context.Context, bus delivery.BusName, after string, limit int) ([]delivery.Archive, error)
	GetRule(ctx context.Context, name delivery.RuleName) (delivery.Rule, error)
	CreateRuleBy(
		ctx context.Context, rule delivery.Rule, w delivery.Write, create func(context.Context, delivery.Rule) error,
	) (delivery.Rule, error)
	Again(e *delivery.Event, replay string) *delivery.Event
	PlanFor(bus delivery.BusName, events []*delivery.Event, rules []string) delivery.Plan
	Dispatch(deliveries []*delivery.Delivery)
	GetDestination(ctx context.Context, name delivery.DestinationName) (delivery.Destination, error)
	Wake(lanes []delivery.DestinationName)
}
