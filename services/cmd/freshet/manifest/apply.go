package manifest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
)

// Action is what is done about an object.
type Action string

// The actions there are.
const (
	Create    Action = "create"
	Update    Action = "update"
	Unchanged Action = "unchanged"
)

// Change is what was done, or would be, about one object.
type Change struct {
	Action Action        `json:"action"`
	Kind   string        `json:"kind"`
	Name   string        `json:"name"`
	Fields []FieldChange `json:"fields,omitempty"`
	// Unchecked says that in a dry run the server could not check the object, because it refers to another that is to be created too.
	Unchecked bool `json:"unchecked,omitempty"`
}

// Report says what Apply did, in the order in which it did it.
type Report struct {
	Changes []Change `json:"changes"`
}

// Count returns how many objects an action was taken on.
func (r Report) Count(action Action) int {
	var n int
	for _, change := range r.Changes {
		if change.Action == action {
			n++
		}
	}
	return n
}

// Options say how objects are applied. The zero value applies them and waits for nothing.
type Options struct {
	// DryRun only finds out what would be done.
	DryRun bool
	// Wait is how long to wait, once everything is applied, until all declared connections are AUTHORIZED. 0: not at all.
	Wait time.Duration
	// Done, if set, is called after each change with what was done.
	Done func(Change)
}

// Apply makes the server match the objects: connections first, then buses, destinations, rules. It never deletes.
//
// An object is the whole of what its resource shall be: a field that is no longer declared goes back to its default. Applying the same
// objects again changes nothing. Secrets are sent every time and compared by the server, so that one that was changed takes effect and one
// that was not does nothing; a secret that is not declared keeps its stored value.
//
// Everything is checked by the server before anything is changed; if it refuses an object, nothing is changed, and the error joins an
// *ObjectError for each. If a change fails later, those before it stay, the report has them, and applying again completes the rest.
func Apply(ctx context.Context, clients Clients, objects []Object, opts Options) (Report, error) {
	ordered, err := order(objects)
	if err != nil {
		return Report{}, err
	}
	p := &planner{clients: clients, toCreate: map[string]bool{}}
	steps, errs := p.plan(ctx, ordered)
	if len(errs) > 0 {
		return Report{}, errors.Join(errs...)
	}
	var report Report
	for _, s := range steps {
		if !opts.DryRun {
			if err := s.run(ctx, clients); err != nil {
				return report, &ObjectError{Object: s.object, Err: err}
			}
			s.change.Unchecked = false
		}
		report.Changes = append(report.Changes, s.change)
		if opts.Done != nil {
			opts.Done(s.change)
		}
	}
	if opts.DryRun || opts.Wait <= 0 {
		return report, nil
	}
	return report, wait(ctx, clients, ordered, opts.Wait)
}

// order sorts objects by kind, and refuses one that is declared twice.
func order(objects []Object) ([]Object, error) {
	rank := map[string]int{}
	for i, k := range kinds() {
		rank[k.name] = i
	}
	declaredAt := map[string]string{}
	var errs []error
	for _, object := range objects {
		if first, ok := declaredAt[object.Name]; ok {
			errs = append(errs, &ObjectError{Object: object, Err: fmt.Errorf("declared already: %s", first)})
			continue
		}
		declaredAt[object.Name] = object.Source
	}
	ordered := slices.Clone(objects)
	slices.SortStableFunc(ordered, func(a, b Object) int { return rank[a.Kind] - rank[b.Kind] })
	return ordered, errors.Join(errs...)
}

// run takes the step. An update only succeeds on what was planned for: the etag tells.
func (s step) run(ctx context.Context, clients Clients) error {
	switch s.change.Action {
	case Create:
		parent, id := s.object.parentAndID()
		_, err := s.object.kind.create(ctx, clients, parent, id, proto.Clone(s.object.Message), false)
		return err
	case Update:
		message, mask := declared(s.object, s.etag)
		_, err := s.object.kind.update(ctx, clients, message, mask, false)
		return err
	default:
		return nil
	}
}
