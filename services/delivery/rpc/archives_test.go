package rpc_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
)

func TestArchives(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	name := standard + "/archives/orders"
	create := &deliveryv1.CreateArchiveRequest{Parent: standard, ArchiveId: "orders", ValidateOnly: true, Archive: &deliveryv1.Archive{
		Description: "d", EventPattern: `{"source":["shop"]}`, RetentionDays: 7,
	}}
	_, err := f.archives.CreateArchive(ctx, create)
	require.NoError(t, err)
	_, err = f.archives.GetArchive(ctx, &deliveryv1.GetArchiveRequest{Name: name})
	requireError(t, err, codes.NotFound, errorsv1.Reason_ARCHIVE_NOT_FOUND)
	create.ValidateOnly = false
	created, err := f.archives.CreateArchive(ctx, create)
	require.NoError(t, err)
	require.Equal(t, name, created.GetArchive().GetName())
	require.Equal(t, deliveryv1.Archive_ENABLED, created.GetArchive().GetState())
	_, err = f.archives.CreateArchive(ctx, create)
	requireError(t, err, codes.AlreadyExists, errorsv1.Reason_RESOURCE_EXISTS)
	for _, c := range []struct {
		change func(*deliveryv1.CreateArchiveRequest)
		reason errorsv1.Reason
		field  string
	}{
		{func(r *deliveryv1.CreateArchiveRequest) { r.Archive.EventPattern = `{"a":[{"prefix":1}]}` }, errorsv1.Reason_INVALID_EVENT_PATTERN, "archive.event_pattern"},
		{func(r *deliveryv1.CreateArchiveRequest) { r.Archive.RetentionDays = -1 }, errorsv1.Reason_INVALID_FIELD, "archive.retention_days"},
		{func(r *deliveryv1.CreateArchiveRequest) { r.ArchiveId = "no good" }, errorsv1.Reason_INVALID_FIELD, "archive_id"},
	} {
		bad := proto.CloneOf(create)
		c.change(bad)
		_, err := f.archives.CreateArchive(ctx, bad)
		requireField(t, err, c.reason, c.field, "")
	}
	_, err = f.archives.CreateArchive(ctx, &deliveryv1.CreateArchiveRequest{
		Parent: "projects/p/buses/none", ArchiveId: "a", Archive: &deliveryv1.Archive{},
	})
	requireError(t, err, codes.NotFound, errorsv1.Reason_BUS_NOT_FOUND)

	_, err = f.archives.CreateArchive(ctx, &deliveryv1.CreateArchiveRequest{Parent: standard, ArchiveId: "all", Archive: &deliveryv1.Archive{}})
	require.NoError(t, err)
	f.Put(t, "shop", `{"n": 1}`)
	got, err := f.archives.GetArchive(ctx, &deliveryv1.GetArchiveRequest{Name: name})
	require.NoError(t, err)
	require.EqualValues(t, 1, got.GetArchive().GetEventCount())
	require.EqualValues(t, len("shop"+"Test"+`{"n": 1}`), got.GetArchive().GetSizeBytes())
	list, err := f.archives.ListArchives(ctx, &deliveryv1.ListArchivesRequest{Parent: standard, PageSize: 1})
	require.NoError(t, err)
	require.Equal(t, standard+"/archives/all", list.GetArchives()[0].GetName())
	list, err = f.archives.ListArchives(ctx, &deliveryv1.ListArchivesRequest{Parent: standard, PageToken: list.GetNextPageToken()})
	require.NoError(t, err)
	require.True(t, proto.Equal(got.GetArchive(), list.GetArchives()[0]))
	require.Empty(t, list.GetNextPageToken())

	update := func(a *deliveryv1.Archive, paths ...string) (*deliveryv1.Archive, error) {
		r, err := f.archives.UpdateArchive(ctx, &deliveryv1.UpdateArchiveRequest{Archive: a, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
		return r.GetArchive(), err
	}
	etag := got.GetArchive().GetEtag()
	changed, err := update(&deliveryv1.Archive{Name: name, State: deliveryv1.Archive_DISABLED, Etag: etag}, "state", "retention_days")
	require.NoError(t, err)
	require.Equal(t, deliveryv1.Archive_DISABLED, changed.GetState())
	require.Zero(t, changed.GetRetentionDays())
	require.Equal(t, "d", changed.GetDescription())
	_, err = update(&deliveryv1.Archive{Name: name, Etag: etag}, "description")
	requireError(t, err, codes.Aborted, errorsv1.Reason_ETAG_MISMATCH)
	_, err = update(&deliveryv1.Archive{Name: name}, "event_count")
	requireError(t, err, codes.InvalidArgument, errorsv1.Reason_INVALID_UPDATE_MASK)
	_, err = update(&deliveryv1.Archive{Name: name, RetentionDays: 36501})
	requireField(t, err, errorsv1.Reason_INVALID_FIELD, "archive.retention_days", "")
	_, err = f.archives.DeleteArchive(ctx, &deliveryv1.DeleteArchiveRequest{Name: name, Etag: etag})
	requireError(t, err, codes.Aborted, errorsv1.Reason_ETAG_MISMATCH)
	_, err = f.archives.DeleteArchive(ctx, &deliveryv1.DeleteArchiveRequest{Name: name})
	require.NoError(t, err)
	_, err = f.archives.DeleteArchive(ctx, &deliveryv1.DeleteArchiveRequest{Name: name})
	requireError(t, err, codes.NotFound, errorsv1.Reason_ARCHIVE_NOT_FOUND)
}
