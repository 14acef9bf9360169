package commands

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/types/known/timestamppb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
)

// grantsSelection selects many grants.
type grantsSelection struct {
	State    string        `help:"Of many: only those in this state, DEAUTHORIZED for instance." placeholder:"STATE"`
	EndUser  string        `help:"Of many: only those of this end user." placeholder:"ID"`
	Expiring time.Duration `help:"Of many: only those that end within this time, or have ended." placeholder:"TIME"`
	All      bool          `help:"Of many: all of the connection, or of the project."`
	DryRun   bool          `help:"Of many: only count them."`
	Follow   bool          `help:"Of many: print the progress every second until all are ended."`
}

// unused makes sure that one grant is not taken for many.
func (c *grantsSelection) unused() error {
	if *c != (grantsSelection{}) {
		return usagef("--state, --end-user, --expiring, --all, --dry-run and --follow are for many grants: leave the id of the grant out")
	}
	return nil
}

// run starts a job for what is selected.
func (c *grantsSelection) run(ctx context.Context, s *session, f *grantsCmd, connection string, job *connectionv1.GrantJob) error {
	if c.State == "" && c.EndUser == "" && c.Expiring == 0 && !c.All {
		return usagef("the id of a grant, or which ones: --state, --end-user, --expiring or --all")
	}
	state, err := enumValue("--state", c.State, connectionv1.Connection_State_value)
	if err != nil {
		return err
	}
	job.GrantState, job.EndUserId = connectionv1.Connection_State(state), c.EndUser
	if connection != "" {
		job.Connection = f.name("connections", connection)
	}
	if c.Expiring > 0 {
		job.ExpireBefore = timestamppb.New(s.now().Add(c.Expiring))
	}
	cl, err := f.connect(s, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.grantJobs.CreateGrantJob(ctx, &connectionv1.CreateGrantJobRequest{
		Parent: f.parent(), GrantJobId: strings.ToLower(job.GetAction().String() + "-" + ulid.Make().String()), GrantJob: job,
		ValidateOnly: c.DryRun,
	})
	switch {
	case err != nil:
		return err
	case c.DryRun:
		_, err = fmt.Fprintf(s.stdout, "%s would be ended\n", plural(int(answer.GetGrantJob().GetMatchedCount()), "grant"))
		return err
	case c.Follow:
		return f.follow(ctx, s, cl, answer.GetGrantJob().GetName())
	default:
		return f.showJob(s, answer.GetGrantJob())
	}
}

// follow prints a line each second and shows a job that has ended.
func (f *grantsCmd) follow(ctx context.Context, s *session, cl *client, name string) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		answer, err := cl.grantJobs.GetGrantJob(ctx, &connectionv1.GetGrantJobRequest{Name: name})
		if err != nil {
			return err
		}
		job := answer.GetGrantJob()
		if job.GetFinishTime() != nil {
			return f.showJob(s, job)
		}
		if _, err := fmt.Fprintf(s.stderr, "%s of %d ended, %d had ended\n", plural(int(job.GetEndedCount()), "grant"), job.GetMatchedCount(),
			job.GetSkippedCount()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

func (f *grantsCmd) showJob(s *session, j *connectionv1.GrantJob) error {
	if f.Output == "json" {
		return printJSON(s.stdout, j)
	}
	t := newTable(s.stdout)
	t.property("Name", j.GetName())
	t.property("Action", j.GetAction().String())
	t.property("Of", selected(j))
	t.property("State", j.GetState().String())
	t.property("Matched", strconv.FormatInt(j.GetMatchedCount(), 10))
	t.property("Ended", strconv.FormatInt(j.GetEndedCount(), 10))
	t.property("Had ended", strconv.FormatInt(j.GetSkippedCount(), 10))
	t.property("Subject", j.GetSubjectSha256())
	t.property("Created", relative(j.GetCreateTime(), s.now()))
	t.property("Finished", relative(j.GetFinishTime(), s.now()))
	return t.flush()
}

// selected says for people which grants a job is about.
func selected(j *connectionv1.GrantJob) string {
	var parts []string
	if j.GetConnection() != "" {
		parts = append(parts, "connection "+last(j.GetConnection()))
	}
	if j.GetGrantState() != 0 {
		parts = append(parts, "state "+j.GetGrantState().String())
	}
	if j.GetEndUserId() != "" {
		parts = append(parts, "end user "+j.GetEndUserId())
	}
	if t := j.GetExpireBefore(); t != nil {
		parts = append(parts, "ending before "+absolute(t.AsTime()))
	}
	return orDash(strings.Join(parts, ", "))
}

type grantsExportCmd struct {
	EndUser string `arg:"" help:"The end user, as your application names them."`
}

// Run exports what is held about an end user.
func (c *grantsExportCmd) Run(ctx context.Context, s *session, f *grantsCmd) error {
	cl, err := f.connect(s, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	request := &connectionv1.ExportEndUserRequest{Parent: f.parent(), EndUserId: c.EndUser}
	grants, err := pages(0, func(size int32, token string) ([]*connectionv1.ExportedGrant, string, error) {
		request.PageSize, request.PageToken = size, token
		page, err := cl.endUsers.ExportEndUser(ctx, request)
		return page.GetGrants(), page.GetNextPageToken(), err
	})
	if err != nil {
		return err
	}
	return printJSONList(s.stdout, "grants", grants)
}

type grantsEraseCmd struct {
	EndUser string `arg:"" help:"The end user, as your application names them."`
	Follow  bool   `help:"Print the progress every second until nothing is left."`
}

// Run erases what is held about an end user.
func (c *grantsEraseCmd) Run(ctx context.Context, s *session, f *grantsCmd) error {
	cl, err := f.connect(s, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.endUsers.EraseEndUser(ctx, &connectionv1.EraseEndUserRequest{Parent: f.parent(), EndUserId: c.EndUser})
	if err != nil {
		return err
	}
	if c.Follow {
		return f.follow(ctx, s, cl, answer.GetGrantJob().GetName())
	}
	return f.showJob(s, answer.GetGrantJob())
}

type grantJobsCmd struct {
	List   grantJobsListCmd   `cmd:"" help:"List jobs."`
	Get    grantJobsGetCmd    `cmd:"" help:"Show one job and its progress."`
	Cancel grantJobsCancelCmd `cmd:"" help:"End a job before its time."`
	Delete grantJobsDeleteCmd `cmd:"" help:"Forget a job that has ended."`
}

type grantJobsListCmd struct{}

// Run lists jobs.
func (c *grantJobsListCmd) Run(ctx context.Context, s *session, f *grantsCmd) error {
	cl, err := f.connect(s, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	request := &connectionv1.ListGrantJobsRequest{Parent: f.parent()}
	jobs, err := pages(0, func(size int32, token string) ([]*connectionv1.GrantJob, string, error) {
		request.PageSize, request.PageToken = size, token
		page, err := cl.grantJobs.ListGrantJobs(ctx, request)
		return page.GetGrantJobs(), page.GetNextPageToken(), err
	})
	if err != nil {
		return err
	}
	if f.Output == "json" {
		return printJSONList(s.stdout, "grantJobs", jobs)
	}
	t := newTable(s.stdout, "JOB", "ACTION", "STATE", "MATCHED", "ENDED", "OF")
	for _, j := range jobs {
		t.row(last(j.GetName()), j.GetAction().String(), j.GetState().String(), strconv.FormatInt(j.GetMatchedCount(), 10),
			strconv.FormatInt(j.GetEndedCount(), 10), selected(j))
	}
	return t.flush()
}

// grantJobArg names a job.
type grantJobArg struct {
	Job string `arg:"" help:"Id of the job, or its name projects/…/grantJobs/…"`
}

type grantJobsGetCmd struct {
	grantJobArg
	Follow bool `help:"Print its progress every second until it has ended."`
}

// Run shows a job.
func (c *grantJobsGetCmd) Run(ctx context.Context, s *session, f *grantsCmd) error {
	cl, err := f.connect(s, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	name := f.name("grantJobs", c.Job)
	if c.Follow {
		return f.follow(ctx, s, cl, name)
	}
	answer, err := cl.grantJobs.GetGrantJob(ctx, &connectionv1.GetGrantJobRequest{Name: name})
	if err != nil {
		return err
	}
	return f.showJob(s, answer.GetGrantJob())
}

type grantJobsCancelCmd struct{ grantJobArg }

// Run cancels a job.
func (c *grantJobsCancelCmd) Run(ctx context.Context, s *session, f *grantsCmd) error {
	cl, err := f.connect(s, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.grantJobs.CancelGrantJob(ctx, &connectionv1.CancelGrantJobRequest{Name: f.name("grantJobs", c.Job)})
	if err != nil {
		return err
	}
	return f.showJob(s, answer.GetGrantJob())
}

type grantJobsDeleteCmd struct{ grantJobArg }

// Run forgets a job.
func (c *grantJobsDeleteCmd) Run(ctx context.Context, s *session, f *grantsCmd) error {
	cl, err := f.connect(s, roleConnection)
	if err != nil {
		return err
	}
	defer cl.close()
	name := f.name("grantJobs", c.Job)
	if _, err := cl.grantJobs.DeleteGrantJob(ctx, &connectionv1.DeleteGrantJobRequest{Name: name}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stdout, "%s is deleted\n", last(name))
	return err
}
