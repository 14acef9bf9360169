package interfaces

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/freshet-io/freshet/services/connection"
)

// Errors of the use cases; those of package connection are used where they fit: ErrExists, ErrETag, ErrStale, *ValidationError.
var (
	// ErrNotFound means that there is no interface of that name.
	ErrNotFound = errors.New("interfaces: not found")
	// ErrInvalidName means that a resource name has not the form of an interface's.
	ErrInvalidName = errors.New("interfaces: invalid name")
)

// Name identifies an interface: `projects/{Project}/interfaces/{ID}`.
type Name struct {
	Project string
	ID      string
}

// ParseName reads a resource name. It checks the form, not which characters the parts may have: that is the contract's rule.
func ParseName(s string) (Name, error) {
	parts := strings.Split(s, "/")
	if len(parts) != 4 || parts[0] != "projects" || parts[2] != "interfaces" || parts[1] == "" || parts[3] == "" {
		return Name{}, fmt.Errorf("%w: %q: want projects/{project}/interfaces/{interface}", ErrInvalidName, s)
	}
	return Name{Project: parts[1], ID: parts[3]}, nil
}

// String returns the resource name.
func (n Name) String() string { return "projects/" + n.Project + "/interfaces/" + n.ID }

// Interface is a definition with its name.
type Interface struct {
	Name        Name
	UID         string // ULID
	Description string
	Definition  string // JSON, as package mapping reads it; empty in lists
	// Operations and Mappings are the names that the definition has, in order.
	Operations, Mappings []string
	// Version counts changes; it makes the etag. It is 1 on creation.
	Version    int64
	CreateTime time.Time
	UpdateTime time.Time
}

// ETag changes with every change, and differs between interfaces of the same name.
func (i Interface) ETag() string { return fmt.Sprintf("%s-%d", i.UID, i.Version) }

// Store keeps interfaces. Implementations pass storetest.RunInterfaces.
type Store interface {
	// CreateInterface returns connection.ErrExists if the name is taken.
	CreateInterface(ctx context.Context, i Interface) error
	// GetInterface returns the interface, or ErrNotFound.
	GetInterface(ctx context.Context, name Name) (Interface, error)
	// ListInterfaces returns at most limit interfaces of a project with ids greater than after, ordered by id, without their definitions.
	ListInterfaces(ctx context.Context, project, after string, limit int) ([]Interface, error)
	// UpdateInterface writes everything, with Version+1. It returns connection.ErrStale unless UID and Version are the stored ones.
	UpdateInterface(ctx context.Context, i Interface) error
	// DeleteInterface removes the interface. Errors as of UpdateInterface.
	DeleteInterface(ctx context.Context, i Interface) error
}

// Connections knows connections; *connection.Service does.
type Connections interface {
	Get(ctx context.Context, name connection.Name) (connection.Connection, error)
}
