package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/freshet-io/freshet/services/cmd/freshet/manifest"
)

type applyCmd struct {
	clientFlags
	Files  []string      `name:"file" short:"f" required:"" sep:"none" help:"Manifest, folder of manifests (*.yaml, *.yml, *.json), or - for standard input; may be repeated." placeholder:"FILE"`
	DryRun bool          `help:"Show what would change, field by field, and change nothing."`
	Wait   time.Duration `help:"Wait so long, at most, until the declared connections are AUTHORIZED." placeholder:"TIME"`
}

// Help is the text below the flags.
func (c *applyCmd) Help() string {
	return `A manifest has one resource in each YAML document: kind (Connection, Bus, Archive, Destination, Rule, Schedule or Webhook), its name or only its id,
and its fields as in the API:

    kind: Connection
    id: crm
    oauth2:
      grantType: CLIENT_CREDENTIALS
      tokenEndpoint: https://as.example/token
      clientId: shop
      clientSecret: {valueFrom: {env: CRM_SECRET}}    # or {valueFrom: {file: crm.secret}}

What is declared is the whole of a resource: a field that is left out has its default. Applying it again changes nothing. Secrets are
sent every time; the server changes them only if they are others than the stored ones. Nothing is ever deleted. Everything is checked
before anything is changed.`
}

// Run applies the manifests.
func (c *applyCmd) Run(ctx context.Context, s *session) error {
	objects, err := c.parse(s)
	if err != nil {
		return &usageError{err: err}
	}
	for _, object := range objects {
		for _, warning := range object.Warnings {
			_, _ = fmt.Fprintln(s.stderr, "warning: "+printable(warning))
		}
	}
	cl, err := c.connect(s, rolesOf(objects)...)
	if err != nil {
		return err
	}
	defer cl.close()
	options := manifest.Options{DryRun: c.DryRun, Wait: c.Wait}
	if c.Output == "table" {
		options.Done = func(change manifest.Change) { printChange(s.stdout, change, c.DryRun) }
	}
	report, err := manifest.Apply(ctx, manifest.Clients{
		Connection: cl.connections, Delivery: cl.deliveries, Schedule: cl.schedules, Archive: cl.archives, Webhook: cl.webhooks,
	}, objects, options)
	if c.Output == "json" {
		return errors.Join(printReport(s.stdout, report, c.DryRun), err)
	}
	if len(report.Changes) > 0 || err == nil {
		_, _ = fmt.Fprintln(s.stdout, summary(report, c.DryRun))
	}
	return err
}

// rolesOf returns the roles that objects are applied to.
func rolesOf(objects []manifest.Object) []string {
	var roles []string
	for _, object := range objects {
		role := roleDelivery
		if object.Kind == "Connection" {
			role = roleConnection
		}
		if !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	return roles
}

func (c *applyCmd) parse(s *session) ([]manifest.Object, error) {
	var objects []manifest.Object
	var errs []error
	for _, path := range c.Files {
		files, err := manifestFiles(path)
		errs = append(errs, err)
		for _, file := range files {
			parsed, err := c.parseFile(s, file)
			objects, errs = append(objects, parsed...), append(errs, err)
		}
	}
	return objects, errors.Join(errs...)
}

// manifestFiles returns the manifests of a folder in the order of their names, or the file itself.
func manifestFiles(path string) ([]string, error) {
	if path == "-" {
		return []string{path}, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var files []string
	for _, pattern := range []string{"*.yaml", "*.yml", "*.json"} {
		found, err := filepath.Glob(filepath.Join(path, pattern))
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s holds no *.yaml, *.yml or *.json", path)
	}
	slices.Sort(files)
	return files, nil
}

func (c *applyCmd) parseFile(s *session, path string) ([]manifest.Object, error) {
	options := manifest.ParseOptions{Source: path, Dir: filepath.Dir(path), Project: c.Project, LookupEnv: s.lookupEnv}
	if path == "-" {
		options.Source, options.Dir = "standard input", ""
		return manifest.Parse(s.stdin, options)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return manifest.Parse(file, options)
}

// printChange prints what was done, or would be. The fields of what is created are only of interest beforehand.
func printChange(w io.Writer, change manifest.Change, dryRun bool) {
	mark := map[manifest.Action]string{manifest.Create: "+", manifest.Update: "~", manifest.Unchanged: "="}[change.Action]
	_, _ = fmt.Fprintf(w, "%s %-9s  %s %s\n", mark, change.Action, change.Kind, change.Name)
	if change.Action == manifest.Create && !dryRun {
		return
	}
	for _, field := range change.Fields {
		switch {
		case field.Old == "":
			_, _ = fmt.Fprintf(w, "    + %s: %s\n", field.Path, field.New)
		case field.New == "":
			_, _ = fmt.Fprintf(w, "    - %s: %s\n", field.Path, field.Old)
		default:
			_, _ = fmt.Fprintf(w, "    ~ %s: %s → %s\n", field.Path, field.Old, field.New)
		}
	}
	if change.Unchecked {
		_, _ = fmt.Fprintln(w, "    (to be checked once what it refers to exists)")
	}
}

func summary(report manifest.Report, dryRun bool) string {
	created, updated, unchanged := report.Count(manifest.Create), report.Count(manifest.Update), report.Count(manifest.Unchanged)
	if dryRun {
		return fmt.Sprintf("%d to create, %d to update, %d unchanged; nothing was changed", created, updated, unchanged)
	}
	return fmt.Sprintf("%d created, %d updated, %d unchanged", created, updated, unchanged)
}

func printReport(w io.Writer, report manifest.Report, dryRun bool) error {
	if report.Changes == nil {
		report.Changes = []manifest.Change{}
	}
	text, err := json.Marshal(struct {
		DryRun bool `json:"dryRun"`
		manifest.Report
	}{dryRun, report})
	if err != nil {
		return err
	}
	return printIndented(w, text)
}
