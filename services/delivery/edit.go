package delivery

import (
	"context"
	"fmt"

	"github.com/freshet-io/freshet/services/delivery/rawjson"
	"github.com/freshet-io/freshet/services/delivery/shape"
)

// Edit is what a redrive changes about a delivery.
type Edit struct {
	Destination string  // of the same project; empty: none
	Body        *string // nil: none
	MergePatch  string  // of the body: the JSON text of an object (RFC 7396); empty: none
}

// edited returns the target that a delivery gets by an edit; nil if it stays as it is.
func (s *Service) edited(ctx context.Context, id ID, edit Edit) (*Target, error) {
	if edit == (Edit{}) {
		return nil, nil //nolint:nilnil // nil is no other target
	}
	if edit.Body != nil && edit.MergePatch != "" {
		return nil, invalid(KindField, "merge_patch", "must not be given together with body")
	}
	d, err := s.store.Delivery(ctx, id)
	if err != nil {
		return nil, err
	}
	target := d.Target
	if edit.Destination != "" {
		target.Destination = edit.Destination
		destination, err := s.store.Destination(ctx, DestinationName{id.Project, edit.Destination})
		if err != nil {
			return nil, err
		}
		if v := checkMethod(&target, &destination); v != "" {
			return nil, invalid(KindField, "destination", "does not fit the target: "+v)
		}
		if v := checkPlaceholders(&target, "", &destination); v != nil {
			return nil, invalid(KindField, "destination", "does not fit the target's path parameters: "+v.Description)
		}
	}
	if edit.Body != nil {
		target.Body = edit.Body
	}
	if edit.MergePatch != "" {
		body, err := d.patched(edit.MergePatch)
		if err != nil {
			return nil, err
		}
		target.Body = &body
	}
	return &target, nil
}

// patched returns the body of a delivery with a merge patch applied.
func (d *Delivery) patched(patch string) (string, error) {
	const field = "merge_patch"
	if facts, ok := rawjson.CheckObject(patch); !ok || facts.Depth > maxDepth {
		return "", invalid(KindField, field, fmt.Sprintf("must be the JSON text of an object, at most %d levels deep", maxDepth))
	}
	body, err := d.payload(d.Event.Envelope())
	if err != nil {
		return "", invalid(KindField, field, "the delivery has no body that it could change: "+err.Error())
	}
	if facts, ok := rawjson.CheckObject(body); !ok || facts.Depth > maxDepth+1 {
		return "", invalid(KindField, field, "the delivery's body is no JSON object; give a body instead")
	}
	merged := shape.MergePatch(body, []byte(patch))
	if len(merged) > MaxRequestBytes {
		return "", invalid(KindField, field, fmt.Sprintf("makes the body larger than %d bytes", MaxRequestBytes))
	}
	return string(merged), nil
}
