package rpc_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/connection"
)

const photos = "projects/p/connections/photos"

// users returns a fixture with a connection of users.
func users(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	c := oauth2()
	c.GetOauth2().GrantType = connectionv1.OAuth2Authorization_AUTHORIZATION_CODE
	f.create(t, "photos", c)
	return f
}

func (f *fixture) grant(t *testing.T, id, endUser string) *connectionv1.Grant {
	t.Helper()
	answer, err := f.grants.CreateGrant(t.Context(), &connectionv1.CreateGrantRequest{
		Parent: photos, GrantId: id, Grant: &connectionv1.Grant{
			EndUserId: endUser, Metadata: map[string]string{"plan": "pro"},
			Credential: &connectionv1.GrantCredential{RefreshToken: canary + id, AccessToken: canary, Scopes: []string{"read"}},
		},
	})
	require.NoError(t, err)
	return answer.GetGrant()
}

func TestGrantIsReturnedWithoutItsCredential(t *testing.T) {
	f := users(t)
	created := f.grant(t, "ada", "ada@example")
	require.Equal(t, photos+"/grants/ada", created.GetName())
	require.Nil(t, created.GetCredential())
	answer, err := f.grants.GetGrant(t.Context(), &connectionv1.GetGrantRequest{Name: created.GetName()})
	require.NoError(t, err)
	require.Equal(t, "ada@example", answer.GetGrant().GetEndUserId())
	require.NotContains(t, answer.String(), canary)

	settings := f.settings(t, created.GetName())
	require.Equal(t, created.GetName(), settings.GetName())
	require.Equal(t, created.GetUid(), settings.GetUid())
	require.Equal(t, canary+"ada", settings.GetOauth2().GetRefreshToken())
	require.Equal(t, connectionv1.OAuth2Authorization_REFRESH_TOKEN, settings.GetOauth2().GetGrantType())
	require.Equal(t, []string{"read"}, settings.GetImportedToken().GetScopes())

	_, err = f.grants.GetGrant(t.Context(), &connectionv1.GetGrantRequest{Name: photos + "/grants/bob"})
	requireError(t, err, codes.NotFound, errorsv1.Reason_GRANT_NOT_FOUND)
	_, err = f.grants.CreateGrant(t.Context(), &connectionv1.CreateGrantRequest{Parent: photos, GrantId: "bob", Grant: &connectionv1.Grant{}})
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "grant.credential", "refresh token")
	requireError(t, f.delete(t.Context(), photos), codes.FailedPrecondition, errorsv1.Reason_RESOURCE_IN_USE)
	_, err = f.api.DeauthorizeConnection(t.Context(), &connectionv1.DeauthorizeConnectionRequest{Name: photos})
	requireError(t, err, codes.FailedPrecondition, errorsv1.Reason_STATE_CONFLICT)
}

func TestGrantsOfOtherConnectionsAreRefused(t *testing.T) {
	f := newFixture(t)
	f.create(t, "photos", oauth2())
	grant := &connectionv1.Grant{Credential: &connectionv1.GrantCredential{RefreshToken: "r"}}
	_, err := f.grants.CreateGrant(t.Context(), &connectionv1.CreateGrantRequest{Parent: photos, GrantId: "ada", Grant: grant})
	requireError(t, err, codes.FailedPrecondition, errorsv1.Reason_STATE_CONFLICT)
	_, err = f.grants.CreateGrant(t.Context(), &connectionv1.CreateGrantRequest{Parent: photos + "x", GrantId: "ada", Grant: grant})
	requireError(t, err, codes.NotFound, errorsv1.Reason_CONNECTION_NOT_FOUND)
}

func TestListGrants(t *testing.T) {
	f := users(t)
	for _, id := range []string{"a", "b", "c"} {
		f.grant(t, id, "user-"+id)
	}
	request := &connectionv1.ListGrantsRequest{Parent: "projects/p/connections/-", PageSize: 2}
	first, err := f.grants.ListGrants(t.Context(), request)
	require.NoError(t, err)
	require.Len(t, first.GetGrants(), 2)
	request.PageToken = first.GetNextPageToken()
	second, err := f.grants.ListGrants(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, photos+"/grants/c", second.GetGrants()[0].GetName())
	require.Empty(t, second.GetNextPageToken())
	request.EndUserId = "user-b"
	_, err = f.grants.ListGrants(t.Context(), request)
	requireError(t, err, codes.InvalidArgument, errorsv1.Reason_INVALID_PAGE_TOKEN)
	request.PageToken = ""
	only, err := f.grants.ListGrants(t.Context(), request)
	require.NoError(t, err)
	require.Len(t, only.GetGrants(), 1)
}

// TestListEndingGrants: the soonest first, page by page.
func TestListEndingGrants(t *testing.T) {
	f := users(t)
	now := time.Now().Truncate(time.Microsecond)
	for i, id := range []string{"a", "b", "c", "d"} {
		f.grant(t, id, "user-"+id)
		stored, err := f.Store.GetGrant(t.Context(), connection.GrantName{Connection: connection.Name{Project: "p", ID: "photos"}, ID: id})
		require.NoError(t, err)
		stored.ExpireTime = now.Add(time.Duration(4-i) * time.Hour)
		require.NoError(t, f.Store.UpdateGrant(t.Context(), stored, nil))
	}
	request := &connectionv1.ListGrantsRequest{Parent: photos, ExpireBefore: timestamppb.New(now.Add(4 * time.Hour)), PageSize: 2}
	first, err := f.grants.ListGrants(t.Context(), request)
	require.NoError(t, err)
	require.Len(t, first.GetGrants(), 2)
	require.Equal(t, photos+"/grants/d", first.GetGrants()[0].GetName())
	request.PageToken = first.GetNextPageToken()
	second, err := f.grants.ListGrants(t.Context(), request)
	require.NoError(t, err)
	require.Len(t, second.GetGrants(), 1)
	require.Equal(t, photos+"/grants/b", second.GetGrants()[0].GetName())
	require.Empty(t, second.GetNextPageToken())
	request.ExpireBefore = nil
	_, err = f.grants.ListGrants(t.Context(), request)
	requireError(t, err, codes.InvalidArgument, errorsv1.Reason_INVALID_PAGE_TOKEN)
}

func TestUpdateGrant(t *testing.T) {
	f := users(t)
	g := f.grant(t, "ada", "ada@example")
	update := func(in *connectionv1.Grant, paths ...string) (*connectionv1.Grant, error) {
		in.Name = g.GetName()
		answer, err := f.grants.UpdateGrant(t.Context(), &connectionv1.UpdateGrantRequest{
			Grant: in, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths},
		})
		return answer.GetGrant(), err
	}
	got, err := update(&connectionv1.Grant{EndUserId: "eve", Metadata: map[string]string{"plan": "free"}}, "metadata")
	require.NoError(t, err)
	require.Equal(t, "ada@example", got.GetEndUserId())
	require.Equal(t, "free", got.GetMetadata()["plan"])
	require.NotEqual(t, g.GetEtag(), got.GetEtag())
	got, err = update(&connectionv1.Grant{}, "end_user_id")
	require.NoError(t, err)
	require.Empty(t, got.GetEndUserId())
	got, err = update(&connectionv1.Grant{EndUserId: "eve"})
	require.NoError(t, err)
	require.Equal(t, "eve", got.GetEndUserId())
	require.Equal(t, "free", got.GetMetadata()["plan"])

	credential := &connectionv1.GrantCredential{RefreshToken: "r-2", AccessToken: "a", AccessTokenExpireTime: timestamppb.New(time.Now().Add(time.Hour))}
	_, err = update(&connectionv1.Grant{Credential: credential}, "credential.refresh_token")
	require.NoError(t, err)
	settings := f.settings(t, g.GetName())
	require.Equal(t, "r-2", settings.GetOauth2().GetRefreshToken())
	require.Equal(t, "a", settings.GetImportedToken().GetAccessToken(), "it is replaced as a whole")
	require.EqualValues(t, 2, settings.GetRevision())

	_, err = update(&connectionv1.Grant{EndUserId: "x", Etag: g.GetEtag()})
	requireError(t, err, codes.Aborted, errorsv1.Reason_ETAG_MISMATCH)
	for _, path := range []string{"nothing", "state", "metadata.plan"} {
		_, err = update(&connectionv1.Grant{}, path)
		requireError(t, err, codes.InvalidArgument, errorsv1.Reason_INVALID_UPDATE_MASK)
	}
	_, err = update(&connectionv1.Grant{}, "credential")
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "grant.credential", "refresh token")
}
