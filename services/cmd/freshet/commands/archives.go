package commands

import (
	"context"
	"fmt"
	"strconv"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
)

type archivesCmd struct {
	clientFlags
	Bus    string            `default:"default" help:"Bus of the archives. Default: ${default}." placeholder:"BUS"`
	List   archivesListCmd   `cmd:"" help:"List the archives of a bus."`
	Get    archivesGetCmd    `cmd:"" help:"Show one archive."`
	Create archivesCreateCmd `cmd:"" help:"Create an archive: it keeps the events of its bus that match a pattern."`
	Delete archivesDeleteCmd `cmd:"" help:"Delete an archive and its events."`
}

// archiveArg names an archive.
type archiveArg struct {
	Archive string `arg:"" help:"Id of the archive, or its name projects/…/buses/…/archives/…"`
}

// of is the archive's resource name.
func (a archiveArg) of(f *archivesCmd) string { return f.name("buses/"+f.Bus+"/archives", a.Archive) }

type archivesListCmd struct{}

// Run lists archives.
func (c *archivesListCmd) Run(ctx context.Context, s *session, f *archivesCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	request := &deliveryv1.ListArchivesRequest{Parent: f.name("buses", f.Bus)}
	archives, err := pages(0, func(size int32, token string) ([]*deliveryv1.Archive, string, error) {
		request.PageSize, request.PageToken = size, token
		page, err := cl.archives.ListArchives(ctx, request)
		return page.GetArchives(), page.GetNextPageToken(), err
	})
	if err != nil {
		return err
	}
	if f.Output == "json" {
		return printJSONList(s.stdout, "archives", archives)
	}
	t := newTable(s.stdout, "ARCHIVE", "STATE", "EVENTS", "BYTES", "KEPT", "PATTERN")
	for _, a := range archives {
		t.row(last(a.GetName()), a.GetState().String(), strconv.FormatInt(a.GetEventCount(), 10), strconv.FormatInt(a.GetSizeBytes(), 10),
			kept(a), orDash(a.GetEventPattern()))
	}
	return t.flush()
}

// kept says for how long an archive keeps events.
func kept(a *deliveryv1.Archive) string {
	switch days := a.GetRetentionDays(); days {
	case 0:
		return "for ever"
	case 1:
		return "1 day"
	default:
		return strconv.Itoa(int(days)) + " days"
	}
}

type archivesGetCmd struct{ archiveArg }

// Run shows an archive.
func (c *archivesGetCmd) Run(ctx context.Context, s *session, f *archivesCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.archives.GetArchive(ctx, &deliveryv1.GetArchiveRequest{Name: c.of(f)})
	if err != nil {
		return err
	}
	return f.show(s, answer.GetArchive())
}

func (f *archivesCmd) show(s *session, a *deliveryv1.Archive) error {
	if f.Output == "json" {
		return printJSON(s.stdout, a)
	}
	t := newTable(s.stdout)
	t.property("Name", a.GetName())
	t.property("Description", a.GetDescription())
	t.property("State", a.GetState().String())
	t.property("Pattern", a.GetEventPattern())
	t.property("Kept", kept(a))
	t.property("Events", strconv.FormatInt(a.GetEventCount(), 10))
	t.property("Bytes", strconv.FormatInt(a.GetSizeBytes(), 10))
	t.property("Created", relative(a.GetCreateTime(), s.now()))
	return t.flush()
}

type archivesCreateCmd struct {
	Archive       string `arg:"" help:"Id of the new archive."`
	Pattern       string `help:"Which events, as a rule's pattern. Default: all." placeholder:"JSON"`
	RetentionDays int32  `help:"How many days each event is kept. Default: for ever." placeholder:"N"`
	Description   string `help:"For people." placeholder:"TEXT"`
}

// Run creates an archive.
func (c *archivesCreateCmd) Run(ctx context.Context, s *session, f *archivesCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	answer, err := cl.archives.CreateArchive(ctx, &deliveryv1.CreateArchiveRequest{
		Parent: f.name("buses", f.Bus), ArchiveId: c.Archive,
		Archive: &deliveryv1.Archive{Description: c.Description, EventPattern: c.Pattern, RetentionDays: c.RetentionDays},
	})
	if err != nil {
		return err
	}
	return f.show(s, answer.GetArchive())
}

type archivesDeleteCmd struct{ archiveArg }

// Run deletes an archive.
func (c *archivesDeleteCmd) Run(ctx context.Context, s *session, f *archivesCmd) error {
	cl, err := f.connect(s, roleDelivery)
	if err != nil {
		return err
	}
	defer cl.close()
	if _, err := cl.archives.DeleteArchive(ctx, &deliveryv1.DeleteArchiveRequest{Name: c.of(f)}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stdout, "%s is deleted\n", last(c.of(f)))
	return err
}
