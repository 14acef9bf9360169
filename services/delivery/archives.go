package delivery

import (
	"context"
	"time"

	"github.com/freshet-io/freshet/services/delivery/pattern"
)

// Archive keeps the events of its bus that match a pattern.
type Archive struct {
	Name         ArchiveName
	UID          string // a ULID; an archive that is created again under its name has another
	Description  string
	EventPattern string // JSON text; empty: every event
	// Retention is how long an event is kept, counted from its acceptance; 0: for ever.
	Retention  time.Duration
	Disabled   bool
	Events     int64 // how many it has; with Bytes, only in Get and List
	Bytes      int64
	CreateTime time.Time
	UpdateTime time.Time
	Etag       string
}

// Archived are events that go into one archive.
type Archived struct {
	Project, ArchiveUID string
	Events              []*Event
}

// Archives keeps archives and their events. Each write of an archive changes the version of its bus's rules.
type Archives interface {
	// Archive returns ErrArchiveNotFound.
	Archive(ctx context.Context, name ArchiveName) (Archive, error)
	// ListArchives returns archives by name, those after the given one; ErrBusNotFound.
	ListArchives(ctx context.Context, bus BusName, after string, limit int) ([]Archive, error)
	// CreateArchive returns ErrExists, ErrBusNotFound.
	CreateArchive(ctx context.Context, archive Archive) error
	// ReplaceArchive returns ErrArchiveNotFound, ErrEtagMismatch.
	ReplaceArchive(ctx context.Context, archive Archive, etag string) error
	// DeleteArchive returns ErrArchiveNotFound, ErrEtagMismatch. Its events remain, for RemoveRemains. version is a new ULID.
	DeleteArchive(ctx context.Context, name ArchiveName, etag, version string, now time.Time) error
	// Expire removes up to limit events that are older than their archive's retention, and returns how many it removed. count is a new
	// ULID.
	Expire(ctx context.Context, now time.Time, count string, limit int) (int, error)
	// RemoveRemains removes up to limit events of deleted archives, and returns how many.
	RemoveRemains(ctx context.Context, now time.Time, limit int) (int, error)
	// FoldCounts adds up to limit recorded changes of archives' counts up, and returns how many there were.
	FoldCounts(ctx context.Context, limit int) (int, error)
}

// CreateArchive creates an archive; ErrExists, ErrBusNotFound, an InvalidError.
func (s *Service) CreateArchive(ctx context.Context, archive Archive, w Write) (Archive, error) {
	if err := checkArchive(&archive); err != nil {
		return Archive{}, err
	}
	if _, err := s.store.Bus(ctx, archive.Name.On()); err != nil {
		return Archive{}, err
	}
	now := s.stamp()
	archive.CreateTime, archive.UpdateTime, archive.Etag = now, now, s.newID(now)
	archive.UID = archive.Etag
	if w.ValidateOnly {
		_, err := s.store.Archive(ctx, archive.Name)
		return archive, absent(err, ErrArchiveNotFound, archive.Name)
	}
	if err := s.store.CreateArchive(ctx, archive); err != nil {
		return Archive{}, err
	}
	s.indexes.forget(archive.Name.On())
	return archive, nil
}

func checkArchive(a *Archive) error {
	if a.EventPattern == "" {
		return nil
	}
	if _, err := pattern.Compile(a.EventPattern); err != nil {
		return invalid(KindPattern, "archive.event_pattern", err.Error())
	}
	return nil
}

// GetArchive returns an archive; ErrArchiveNotFound.
func (s *Service) GetArchive(ctx context.Context, name ArchiveName) (Archive, error) {
	return s.store.Archive(ctx, name)
}

// ListArchives returns the archives of a bus by name, those after the given one; ErrBusNotFound.
func (s *Service) ListArchives(ctx context.Context, bus BusName, after string, limit int) ([]Archive, error) {
	return s.store.ListArchives(ctx, bus, after, limit)
}

// UpdateArchive changes an archive, as UpdateBus does a bus; ErrArchiveNotFound, ErrEtagMismatch, an InvalidError.
func (s *Service) UpdateArchive(ctx context.Context, name ArchiveName, w Write, change func(*Archive) error) (Archive, error) {
	return retryWrite(w, func() (Archive, error) {
		archive, err := s.store.Archive(ctx, name)
		if err != nil {
			return Archive{}, err
		}
		stored := archive.Etag
		if err := compareEtag(w.Etag, stored, name); err != nil {
			return Archive{}, err
		}
		if err := change(&archive); err != nil {
			return Archive{}, err
		}
		if err := checkArchive(&archive); err != nil {
			return Archive{}, err
		}
		archive.UpdateTime = s.stamp()
		archive.Etag = s.newID(archive.UpdateTime)
		if w.ValidateOnly {
			return archive, nil
		}
		if err := s.store.ReplaceArchive(ctx, archive, stored); err != nil {
			return Archive{}, err
		}
		s.indexes.forget(name.On())
		return archive, nil
	})
}

// DeleteArchive deletes an archive; ErrArchiveNotFound, ErrEtagMismatch. Its events are removed in the background.
func (s *Service) DeleteArchive(ctx context.Context, name ArchiveName, w Write) error {
	now := s.stamp()
	if err := s.store.DeleteArchive(ctx, name, w.Etag, s.newID(now), now); err != nil {
		return err
	}
	s.indexes.forget(name.On())
	return nil
}

// archiveEvery is how often archives are tidied up.
const archiveEvery = time.Minute

// keepArchives removes what archives keep no longer, a small batch at a time, and adds their counts up.
func (s *Service) keepArchives(ctx context.Context) error {
	counted := func(n int, err error) (int, error) {
		s.metrics.unarchived(ctx, n)
		return n, err
	}
	for _, step := range []func() (int, error){
		func() (int, error) { return counted(s.store.Expire(ctx, s.stamp(), s.newID(s.now()), batch)) },
		func() (int, error) { return counted(s.store.RemoveRemains(ctx, s.stamp(), batch)) },
		func() (int, error) { return s.store.FoldCounts(ctx, batch) },
	} {
		for n := 1; n > 0; {
			var err error
			if n, err = step(); err != nil {
				return err
			}
		}
	}
	return nil
}

// archiveIndex is an archive that takes events. Without a pattern, it takes all.
type archiveIndex struct {
	project, uid string
	pattern      *pattern.Pattern
}

func compileArchives(list []Archive) []archiveIndex {
	var compiled []archiveIndex
	for i := range list {
		a := archiveIndex{project: list[i].Name.Project, uid: list[i].UID}
		if text := list[i].EventPattern; text != "" {
			p, err := pattern.Compile(text)
			if err != nil { // as in indexCache.build
				continue
			}
			a.pattern = p
		}
		compiled = append(compiled, a)
	}
	return compiled
}

// archive returns what goes into the bus's archives. Replayed events do not.
func (x *busIndex) archive(events []*Event) []Archived {
	var list []Archived
	for _, a := range x.archives {
		archived := Archived{Project: a.project, ArchiveUID: a.uid}
		for _, e := range events {
			if e.Replay == "" && (a.pattern == nil || a.pattern.Match(e.Envelope())) {
				archived.Events = append(archived.Events, e)
			}
		}
		if len(archived.Events) > 0 {
			list = append(list, archived)
		}
	}
	return list
}

// Size is the number of bytes an event counts, as EventBridge counts them, without its time.
func (e *Event) Size() int {
	n := len(e.Source) + len(e.DetailType) + len(e.Detail)
	for _, r := range e.Resources {
		n += len(r)
	}
	return n
}
