package manifest

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// step is what is to be done about one object.
type step struct {
	object Object
	etag   string // of what the server has
	change Change
}

// planner finds out what there is to do, without doing it.
type planner struct {
	clients Clients
	// toCreate are the names of objects that are declared and do not exist yet.
	toCreate map[string]bool
}

// plan returns a step for each object. An object that the server refuses does not keep the others from being checked; all such errors are
// returned together.
func (p *planner) plan(ctx context.Context, objects []Object) ([]step, []error) {
	var steps []step
	var errs []error
	for _, object := range objects {
		next, err := p.step(ctx, object)
		if err != nil {
			errs = append(errs, &ObjectError{Object: object, Err: err})
			if !aboutTheObject(err) {
				break
			}
			continue
		}
		steps = append(steps, next)
	}
	return steps, errs
}

// aboutTheObject reports whether other objects may fare better.
func aboutTheObject(err error) bool {
	switch status.Code(err) {
	case codes.InvalidArgument, codes.NotFound, codes.FailedPrecondition, codes.AlreadyExists, codes.Aborted, codes.ResourceExhausted:
		return true
	default:
		return false
	}
}

func (p *planner) step(ctx context.Context, o Object) (step, error) {
	current, err := o.kind.get(ctx, p.clients, o.Name)
	if err != nil {
		if rpcerr.ReasonOf(err) != o.kind.missing && !p.awaited(o, err) {
			return step{}, err
		}
		return p.creation(ctx, o)
	}
	return p.update(ctx, o, current)
}

func (p *planner) creation(ctx context.Context, o Object) (step, error) {
	p.toCreate[o.Name] = true
	change := Change{Action: Create, Kind: o.Kind, Name: o.Name}
	parent, id := o.parentAndID()
	answer, err := o.kind.create(ctx, p.clients, parent, id, o.Message, true)
	if err != nil {
		if !p.awaited(o, err) {
			return step{}, err
		}
		answer, change.Unchecked = o.Message, true
	}
	change.Fields = withSecrets(compare(nil, settings(answer)), o.Message)
	return step{object: o, change: change}, nil
}

func (p *planner) update(ctx context.Context, o Object, current proto.Message) (step, error) {
	s := step{object: o, etag: etag(current), change: Change{Action: Update, Kind: o.Kind, Name: o.Name}}
	message, mask := declared(o, s.etag)
	answer, err := o.kind.update(ctx, p.clients, message, mask, true)
	if err != nil {
		if !p.awaited(o, err) {
			return step{}, err
		}
		answer, s.change.Unchecked = o.Message, true
	}
	s.change.Fields = compare(settings(current), settings(answer))
	// A secret that is sent makes a difference only if it is another than the stored one, which the server alone can tell: its
	// etag then changes although no visible field does.
	if etag(answer) != s.etag {
		s.change.Fields = withSecrets(s.change.Fields, o.Message)
		for _, path := range o.emptied {
			s.change.Fields = append(s.change.Fields, FieldChange{Path: path, New: emptied})
		}
	}
	if len(s.change.Fields) == 0 {
		s.change.Action = Unchanged
	}
	return s, nil
}

// awaited reports whether err only says that something is missing which this very manifest is going to create.
func (p *planner) awaited(o Object, err error) bool {
	switch rpcerr.ReasonOf(err) {
	case errorsv1.Reason_CONNECTION_NOT_FOUND, errorsv1.Reason_BUS_NOT_FOUND, errorsv1.Reason_DESTINATION_NOT_FOUND:
	default:
		return false
	}
	parent, _ := o.parentAndID()
	if p.toCreate[parent] {
		return true
	}
	return slices.ContainsFunc(settings(o.Message), func(s setting) bool { return p.toCreate[s.value] })
}

// declared returns the whole resource as it is declared, and a mask of everything that can be: what is not declared any more is reset.
// Secrets that are not declared stay as they are stored; those that are declared empty are named, which removes them.
func declared(o Object, etag string) (proto.Message, *fieldmaskpb.FieldMask) {
	message := proto.Clone(o.Message)
	m := message.ProtoReflect()
	fields := m.Descriptor().Fields()
	mask := &fieldmaskpb.FieldMask{}
	for i := range fields.Len() {
		fd := fields.Get(i)
		if oneof := fd.ContainingOneof(); writable(fd) && (oneof == nil || oneof.IsSynthetic() || m.Has(fd)) {
			mask.Paths = append(mask.Paths, string(fd.Name()))
		}
	}
	for _, path := range o.emptied {
		if named, ok := maskPath(m.Descriptor(), path); ok {
			mask.Paths = append(mask.Paths, named)
		}
	}
	m.Set(fields.ByName("name"), protoreflect.ValueOfString(o.Name))
	m.Set(fields.ByName("etag"), protoreflect.ValueOfString(etag))
	return message, mask
}

func etag(m proto.Message) string {
	reflected := m.ProtoReflect()
	return reflected.Get(reflected.Descriptor().Fields().ByName("etag")).String()
}

// withSecrets adds the declared secrets, in the order of their paths among the changes of the same section.
func withSecrets(changes []FieldChange, m proto.Message) []FieldChange {
	for _, path := range secrets(m) {
		at := len(changes)
		if section, _, ok := cutLast(path); ok {
			for i, change := range changes {
				if strings.HasPrefix(change.Path, section+".") {
					at = i + 1
				}
			}
		}
		changes = slices.Insert(changes, at, FieldChange{Path: path, New: sent})
	}
	return changes
}

func cutLast(path string) (section, field string, ok bool) {
	at := strings.LastIndexByte(path, '.')
	if at < 0 {
		return "", path, false
	}
	return path[:at], path[at+1:], true
}
