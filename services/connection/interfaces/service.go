package interfaces

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/internal/lint"
	"github.com/freshet-io/freshet/services/internal/mapping"
)

const (
	// writeAttempts is how often a change begins anew because somebody else was quicker.
	writeAttempts = 5
	// maxTold is how many problems of a definition are told where it is refused.
	maxTold = 20
)

// Params are what a Service is made of.
type Params struct {
	Store       Store            // required
	Connections Connections      // required
	Now         func() time.Time // default: time.Now
}

// Service is the use cases on interfaces. It is safe for concurrent use.
type Service struct {
	store       Store
	connections Connections
	now         func() time.Time
}

// NewService returns a Service.
func NewService(p Params) (*Service, error) {
	if p.Store == nil || p.Connections == nil {
		return nil, errors.New("interfaces: Store and Connections are required")
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	return &Service{store: p.Store, connections: p.Connections, now: p.Now}, nil
}

// Draft is an interface to be created.
type Draft struct {
	Name        Name
	Description string
	Definition  string
}

// Create stores an interface. With validateOnly it only checks, and returns what would be stored, without UID.
//
// Errors: *connection.ValidationError, connection.ErrExists.
func (s *Service) Create(ctx context.Context, d Draft, validateOnly bool) (Interface, error) {
	now := s.now().UTC().Truncate(time.Microsecond)
	i := Interface{Name: d.Name, Description: d.Description, Version: 1, CreateTime: now, UpdateTime: now}
	if err := i.define(d.Definition); err != nil {
		return Interface{}, err
	}
	if validateOnly {
		switch _, err := s.store.GetInterface(ctx, d.Name); {
		case errors.Is(err, ErrNotFound):
			return i, nil
		case err != nil:
			return Interface{}, err
		default:
			return Interface{}, fmt.Errorf("%w: %s", connection.ErrExists, d.Name)
		}
	}
	i.UID = ulid.Make().String()
	return i, s.store.CreateInterface(ctx, i)
}

// define sets the definition, and the names that it has.
func (i *Interface) define(text string) error {
	parsed, err := mapping.Parse("", []byte(text))
	if problems, ok := errors.AsType[lint.Problems](err); ok {
		return refusal(problems)
	}
	if err != nil {
		return err
	}
	i.Definition, i.Operations, i.Mappings = text, nil, parsed.Mappings()
	for _, operation := range parsed.Operations() {
		i.Operations = append(i.Operations, operation.Name)
	}
	return nil
}

// refusal is problems of a definition as those of the interface's field.
func refusal(problems lint.Problems) error {
	e := &connection.ValidationError{}
	for n, p := range problems {
		if n == maxTold {
			e.Violations = append(e.Violations, connection.Violation{
				Field: "definition", Description: fmt.Sprintf("has %d further problems; LintInterface says all", len(problems)-n),
			})
			break
		}
		e.Violations = append(e.Violations, connection.Violation{Field: "definition", Description: p.String()})
	}
	return e
}

// Get returns an interface, or ErrNotFound.
func (s *Service) Get(ctx context.Context, name Name) (Interface, error) {
	return s.store.GetInterface(ctx, name)
}

// List returns at most limit interfaces of a project with ids greater than after, ordered by id, without their definitions.
func (s *Service) List(ctx context.Context, project, after string, limit int) ([]Interface, error) {
	return s.store.ListInterfaces(ctx, project, after, limit)
}

// Update is a change. Nil fields stay as they are.
type Update struct {
	Description, Definition *string
	ETag                    string // compared if not empty
	ValidateOnly            bool
}

// Update changes an interface. A change to what is stored already is none.
//
// Errors: ErrNotFound, connection.ErrETag, *connection.ValidationError.
func (s *Service) Update(ctx context.Context, name Name, u Update) (Interface, error) {
	return s.change(ctx, name, u.ETag, func(i Interface) (Interface, error) {
		before := i
		if u.Description != nil {
			i.Description = *u.Description
		}
		if u.Definition != nil {
			if err := i.define(*u.Definition); err != nil {
				return Interface{}, err
			}
		}
		if u.ValidateOnly || i.Description == before.Description && i.Definition == before.Definition {
			return i, nil
		}
		i.UpdateTime = s.now().UTC().Truncate(time.Microsecond)
		err := s.store.UpdateInterface(ctx, i)
		i.Version++
		return i, err
	})
}

// Delete removes an interface.
//
// Errors: ErrNotFound, connection.ErrETag.
func (s *Service) Delete(ctx context.Context, name Name, etag string) error {
	_, err := s.change(ctx, name, etag, func(i Interface) (Interface, error) { return i, s.store.DeleteInterface(ctx, i) })
	return err
}

// change reads and writes until nobody else wrote in between.
func (s *Service) change(ctx context.Context, name Name, etag string, write func(Interface) (Interface, error)) (Interface, error) {
	var err error
	for range writeAttempts {
		var stored Interface
		if stored, err = s.store.GetInterface(ctx, name); err != nil {
			return Interface{}, err
		}
		if etag != "" && etag != stored.ETag() {
			return Interface{}, fmt.Errorf("%w: %s", connection.ErrETag, name)
		}
		var changed Interface
		if changed, err = write(stored); !errors.Is(err, connection.ErrStale) {
			return changed, err
		}
	}
	return Interface{}, err
}

// Resolve returns an interface and the mapping that counts for a connection: the given one, or that of the connection's provider, or that of
// the connection's id.
//
// Errors: ErrNotFound, connection.ErrNotFound, *mapping.UnknownError.
func (s *Service) Resolve(ctx context.Context, name Name, of connection.Name, given string) (Interface, string, error) {
	i, err := s.store.GetInterface(ctx, name)
	if err != nil {
		return Interface{}, "", err
	}
	c, err := s.connections.Get(ctx, of)
	if err != nil {
		return Interface{}, "", err
	}
	candidates := []string{given}
	if given == "" {
		candidates = []string{c.Settings.Preset(), of.ID}
	}
	for _, candidate := range candidates {
		if slices.Contains(i.Mappings, candidate) {
			return i, candidate, nil
		}
	}
	return Interface{}, "", &mapping.UnknownError{Description: fmt.Sprintf(
		"the interface %s has no mapping for the connection %s: neither by its provider nor by its id, nor the one asked for", name.ID, of.ID)}
}
