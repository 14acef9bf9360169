package catalog

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/freshet-io/freshet/services/connection"
)

//go:embed providers/*.yaml
var builtIn embed.FS

// Catalog is all entries that there are. It does not change and is safe for concurrent use.
type Catalog struct {
	entries map[string]Listed
	ids     []string
}

// Listed is an entry with where it is from.
type Listed struct {
	Entry
	Own bool // the operator's
}

// New returns the entries that come with the program, and those of own, if it is not nil: every file *.yaml and *.yml in its top folder.
// An own entry replaces one of the same id.
//
// The error is [LintErrors] of the operator's files, or that they cannot be read.
func New(own fs.FS) (*Catalog, error) {
	c := &Catalog{entries: map[string]Listed{}}
	provided, err := fs.Sub(builtIn, "providers")
	if err != nil {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	if err := c.read(provided, false); err != nil {
		return nil, err
	}
	if own != nil {
		if err := c.read(own, true); err != nil {
			return nil, err
		}
	}
	c.ids = slices.Sorted(maps.Keys(c.entries))
	return c, nil
}

func (c *Catalog) read(folder fs.FS, own bool) error {
	files, err := fs.ReadDir(folder, ".")
	if err != nil {
		return fmt.Errorf("catalog: %w", err)
	}
	var found LintErrors
	for _, file := range files {
		extension := path.Ext(file.Name())
		if file.IsDir() || extension != ".yaml" && extension != ".yml" {
			continue
		}
		text, err := fs.ReadFile(folder, file.Name())
		if err != nil {
			return fmt.Errorf("catalog: %w", err)
		}
		entry, err := Parse(file.Name(), text)
		if problems, ok := errors.AsType[LintErrors](err); ok {
			found = append(found, problems...)
			continue
		}
		if name := strings.TrimSuffix(file.Name(), extension); entry.ID != name {
			found = append(found, Problem{File: file.Name(), Field: "id", Description: "must be the file's name: " + name})
			continue
		}
		c.entries[entry.ID] = Listed{Entry: entry, Own: own}
	}
	return found.Err()
}

// Get returns the entry of an id, or a *connection.UnknownProviderError.
func (c *Catalog) Get(id string) (Listed, error) {
	entry, ok := c.entries[id]
	if !ok {
		return Listed{}, &connection.UnknownProviderError{ID: id}
	}
	return entry, nil
}

// List returns at most limit entries with ids greater than after, ordered by id.
func (c *Catalog) List(after string, limit int) []Listed {
	i, found := slices.BinarySearch(c.ids, after)
	if found {
		i++
	}
	var out []Listed
	for _, id := range c.ids[i:min(len(c.ids), i+limit)] {
		out = append(out, c.entries[id])
	}
	return out
}
