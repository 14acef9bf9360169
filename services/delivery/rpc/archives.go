package rpc

import (
	"context"
	"time"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	"github.com/freshet-io/freshet/services/delivery"
)

// archiveServer implements deliveryv1.ArchiveServiceServer.
type archiveServer struct {
	deliveryv1.UnimplementedArchiveServiceServer
	*server
}

const day = 24 * time.Hour

func fromArchive(a *delivery.Archive) *deliveryv1.Archive {
	m := &deliveryv1.Archive{
		Name: a.Name.String(), Description: a.Description, EventPattern: a.EventPattern, State: deliveryv1.Archive_ENABLED,
		RetentionDays: int32(a.Retention / day), // at most 36500
		EventCount:    a.Events, SizeBytes: a.Bytes,
		CreateTime: timestamp(a.CreateTime), UpdateTime: timestamp(a.UpdateTime), Etag: a.Etag,
	}
	if a.Disabled {
		m.State = deliveryv1.Archive_DISABLED
	}
	return m
}

// setArchive sets what a caller can change.
func setArchive(a *delivery.Archive, m *deliveryv1.Archive) {
	a.Description, a.EventPattern = m.GetDescription(), m.GetEventPattern()
	a.Retention = time.Duration(m.GetRetentionDays()) * day
	a.Disabled = m.GetState() == deliveryv1.Archive_DISABLED
}

// CreateArchive implements deliveryv1.ArchiveServiceServer.
func (s archiveServer) CreateArchive(ctx context.Context, req *deliveryv1.CreateArchiveRequest) (*deliveryv1.CreateArchiveResponse, error) {
	bus, err := parseBus("parent", req.GetParent())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	archive := delivery.Archive{Name: delivery.ArchiveName{Project: bus.Project, Bus: bus.Bus, Archive: req.GetArchiveId()}}
	setArchive(&archive, req.GetArchive())
	archive, err = s.service.CreateArchive(ctx, archive, delivery.Write{ValidateOnly: req.GetValidateOnly()})
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.CreateArchiveResponse{Archive: fromArchive(&archive)}, nil
}

// GetArchive implements deliveryv1.ArchiveServiceServer.
func (s archiveServer) GetArchive(ctx context.Context, req *deliveryv1.GetArchiveRequest) (*deliveryv1.GetArchiveResponse, error) {
	name, err := parseArchive("name", req.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	archive, err := s.service.GetArchive(ctx, name)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.GetArchiveResponse{Archive: fromArchive(&archive)}, nil
}

// ListArchives implements deliveryv1.ArchiveServiceServer.
func (s archiveServer) ListArchives(ctx context.Context, req *deliveryv1.ListArchivesRequest) (*deliveryv1.ListArchivesResponse, error) {
	bus, err := parseBus("parent", req.GetParent())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	list, next, err := listed(s.server, "archives\n"+req.GetParent(), req.GetPageToken(), req.GetPageSize(),
		func(after string, limit int) ([]delivery.Archive, error) {
			return s.service.ListArchives(ctx, bus, after, limit)
		},
		func(archive *delivery.Archive) string { return archive.Name.Archive }, fromArchive)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.ListArchivesResponse{Archives: list, NextPageToken: next}, nil
}

// UpdateArchive implements deliveryv1.ArchiveServiceServer.
func (s archiveServer) UpdateArchive(ctx context.Context, req *deliveryv1.UpdateArchiveRequest) (*deliveryv1.UpdateArchiveResponse, error) {
	in := req.GetArchive()
	name, err := parseArchive("archive.name", in.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	archive, err := s.service.UpdateArchive(ctx, name, delivery.Write{Etag: in.GetEtag(), ValidateOnly: req.GetValidateOnly()},
		func(archive *delivery.Archive) error {
			merged := fromArchive(archive)
			err := s.merge("archive", merged, in, req.GetUpdateMask(), "description", "event_pattern", "retention_days", "state")
			if err != nil {
				return err
			}
			setArchive(archive, merged)
			return nil
		})
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.UpdateArchiveResponse{Archive: fromArchive(&archive)}, nil
}

// DeleteArchive implements deliveryv1.ArchiveServiceServer.
func (s archiveServer) DeleteArchive(ctx context.Context, req *deliveryv1.DeleteArchiveRequest) (*deliveryv1.DeleteArchiveResponse, error) {
	name, err := parseArchive("name", req.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	if err := s.service.DeleteArchive(ctx, name, delivery.Write{Etag: req.GetEtag()}); err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.DeleteArchiveResponse{}, nil
}

// replayName is the name of the replay that put an event again; empty without one.
func replayName(project, replay string) string {
	if replay == "" {
		return ""
	}
	return "projects/" + project + "/replays/" + replay
}
