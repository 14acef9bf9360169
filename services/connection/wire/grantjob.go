package wire

import (
	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/grantjobs"
)

// FromGrantJob returns the message of a job.
func FromGrantJob(j grantjobs.Job) *connectionv1.GrantJob {
	m := &connectionv1.GrantJob{
		Name: j.Name.String(), Action: value[connectionv1.GrantJob_Action](j.Action), GrantState: FromState(j.Filter.State),
		EndUserId: j.Filter.EndUser, ExpireBefore: timestamp(j.Filter.ExpireBefore), SkipRevocation: j.SkipRevocation,
		State:        value[connectionv1.GrantJob_State](j.State),
		MatchedCount: j.Matched, EndedCount: j.Ended, SkippedCount: j.Skipped, SubjectSha256: j.Subject,
		CreateTime: timestamp(j.CreateTime), FinishTime: timestamp(j.FinishTime),
	}
	if id := j.Filter.Connection; id != "" {
		m.Connection = connection.Name{Project: j.Name.Project, ID: id}.String()
	}
	return m
}

// ToGrantAction returns what a job is to do.
func ToGrantAction(a connectionv1.GrantJob_Action) grantjobs.Action { return grantjobs.Action(name(a)) }

// FromExport returns the message of what is held about a grant.
func FromExport(e connection.ExportedGrant) *connectionv1.ExportedGrant {
	m := &connectionv1.ExportedGrant{Grant: FromGrant(e.Grant)}
	if e.Token == nil {
		return m
	}
	t := e.Token
	m.Token = &connectionv1.ExportedToken{
		Generation: t.Status.Generation, State: string(t.Status.State), StateReason: FromReason(t.Status.Reason),
		StateTime: timestamp(t.Status.StateTime), TokenType: t.TokenType, Scopes: t.Scopes,
		IssueTime: timestamp(t.IssueTime), ExpireTime: timestamp(t.ExpireTime),
	}
	for _, r := range t.Rotations {
		m.Rotations = append(m.Rotations, &connectionv1.ExportedRotation{
			Generation: r.Generation, State: r.State, Trigger: r.Trigger, StartTime: timestamp(r.StartTime), EndTime: timestamp(r.EndTime),
			HttpStatus: int32(r.HTTPStatus), FailureMessage: r.Failure,
		})
	}
	return m
}
