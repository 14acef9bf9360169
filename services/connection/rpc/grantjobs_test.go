package rpc_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/connection/connectiontest"
	"github.com/freshet-io/freshet/services/connection/grantjobs"
)

func TestGrantJobs(t *testing.T) {
	f := users(t)
	f.grant(t, "a", "ada")
	f.grant(t, "b", "bob")
	create := func(id string, job *connectionv1.GrantJob, dry bool) (*connectionv1.GrantJob, error) {
		answer, err := f.jobs.CreateGrantJob(t.Context(), &connectionv1.CreateGrantJobRequest{
			Parent: parent, GrantJobId: id, GrantJob: job, ValidateOnly: dry,
		})
		return answer.GetGrantJob(), err
	}
	before := timestamppb.New(time.Unix(1e9, 0))
	job := &connectionv1.GrantJob{
		Action: connectionv1.GrantJob_DELETE, Connection: photos, EndUserId: "ada", SkipRevocation: true,
		GrantState: connectionv1.Connection_AUTHORIZING,
	}
	counted, err := create("j", job, true)
	require.NoError(t, err)
	require.EqualValues(t, 1, counted.GetMatchedCount())
	created, err := create("j", job, false)
	require.NoError(t, err)
	require.Equal(t, parent+"/grantJobs/j", created.GetName())
	require.Equal(t, photos, created.GetConnection())
	require.Equal(t, job.GetGrantState(), created.GetGrantState())
	require.Equal(t, connectionv1.GrantJob_RUNNING, created.GetState())
	_, err = create("j", job, false)
	requireError(t, err, codes.AlreadyExists, errorsv1.Reason_RESOURCE_EXISTS)
	_, err = create("k", &connectionv1.GrantJob{Action: connectionv1.GrantJob_REVOKE, Connection: photos + "x"}, false)
	requireError(t, err, codes.NotFound, errorsv1.Reason_CONNECTION_NOT_FOUND)
	_, err = create("k", &connectionv1.GrantJob{Action: connectionv1.GrantJob_REVOKE, Connection: "projects/other/connections/photos"}, false)
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "grant_job.connection", "same project")
	_, err = create("k", &connectionv1.GrantJob{Action: connectionv1.GrantJob_ERASE, ExpireBefore: before}, false)
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "grant_job.action", "EraseEndUser")
	for i := range grantjobs.MaxRunning - 1 {
		_, err = create(fmt.Sprintf("r%d", i), &connectionv1.GrantJob{Action: connectionv1.GrantJob_REVOKE}, false)
		require.NoError(t, err)
	}
	_, err = create("k", &connectionv1.GrantJob{Action: connectionv1.GrantJob_REVOKE}, false)
	requireError(t, err, codes.ResourceExhausted, errorsv1.Reason_LIMIT_EXCEEDED)

	page, err := f.jobs.ListGrantJobs(t.Context(), &connectionv1.ListGrantJobsRequest{Parent: parent, PageSize: 7})
	require.NoError(t, err)
	require.Len(t, page.GetGrantJobs(), 7)
	rest, err := f.jobs.ListGrantJobs(t.Context(), &connectionv1.ListGrantJobsRequest{Parent: parent, PageSize: 7, PageToken: page.GetNextPageToken()})
	require.NoError(t, err)
	require.Len(t, rest.GetGrantJobs(), 3)

	_, err = f.jobs.DeleteGrantJob(t.Context(), &connectionv1.DeleteGrantJobRequest{Name: created.GetName()})
	requireError(t, err, codes.FailedPrecondition, errorsv1.Reason_STATE_CONFLICT)
	cancelled, err := f.jobs.CancelGrantJob(t.Context(), &connectionv1.CancelGrantJobRequest{Name: created.GetName()})
	require.NoError(t, err)
	require.Equal(t, connectionv1.GrantJob_CANCELLED, cancelled.GetGrantJob().GetState())
	_, err = f.jobs.DeleteGrantJob(t.Context(), &connectionv1.DeleteGrantJobRequest{Name: created.GetName()})
	require.NoError(t, err)
	_, err = f.jobs.GetGrantJob(t.Context(), &connectionv1.GetGrantJobRequest{Name: created.GetName()})
	requireError(t, err, codes.NotFound, errorsv1.Reason_GRANT_JOB_NOT_FOUND)
}

// TestExportAndErase: all that is held of one end user and of nobody else, without secrets; and then nothing.
func TestExportAndErase(t *testing.T) {
	f := users(t)
	connectiontest.Start(t, f.Service)
	for _, id := range []string{"a", "b", "c"} {
		f.grant(t, id, "ada")
	}
	f.grant(t, "d", "bob")
	for _, id := range []string{"a", "b", "c", "d"} {
		f.Tokens.Await(t, photos+"/grants/"+id+"/token", 1)
	}
	export := func() (list []*connectionv1.ExportedGrant) {
		request := &connectionv1.ExportEndUserRequest{Parent: parent, EndUserId: "ada", PageSize: 2}
		for more := true; more; more = request.GetPageToken() != "" {
			answer, err := f.endUsers.ExportEndUser(t.Context(), request)
			require.NoError(t, err)
			require.NotContains(t, answer.String(), canary)
			list, request.PageToken = append(list, answer.GetGrants()...), answer.GetNextPageToken()
		}
		return list
	}
	held := export()
	require.Len(t, held, 3)
	for _, e := range held {
		require.Equal(t, "ada", e.GetGrant().GetEndUserId())
		require.Equal(t, map[string]string{"plan": "pro"}, e.GetGrant().GetMetadata())
		require.Equal(t, "AUTHORIZING", e.GetToken().GetState())
		require.Equal(t, []string{"read"}, e.GetToken().GetScopes())
		require.Equal(t, "COMMITTED", e.GetRotations()[0].GetState())
	}

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.ending.Run(ctx) }()
	defer func() {
		cancel()
		<-done
	}()
	erased, err := f.endUsers.EraseEndUser(t.Context(), &connectionv1.EraseEndUserRequest{Parent: parent, EndUserId: "ada"})
	require.NoError(t, err)
	require.Equal(t, grantjobs.Subject("p", "ada"), erased.GetGrantJob().GetSubjectSha256())
	require.Eventually(t, func() bool {
		answer, err := f.jobs.GetGrantJob(t.Context(), &connectionv1.GetGrantJobRequest{Name: erased.GetGrantJob().GetName()})
		return err == nil && answer.GetGrantJob().GetState() == connectionv1.GrantJob_SUCCEEDED && answer.GetGrantJob().GetEndUserId() == ""
	}, time.Minute, 10*time.Millisecond)
	require.Empty(t, export())
	_, err = f.grants.GetGrant(t.Context(), &connectionv1.GetGrantRequest{Name: photos + "/grants/d"})
	require.NoError(t, err)
}
