package rpc

import (
	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	"github.com/freshet-io/freshet/services/delivery"
)

func fromBatching(b *delivery.Batching) *deliveryv1.Batching {
	if b == nil {
		return nil
	}
	// At most 500, and 1 MiB.
	return &deliveryv1.Batching{MaxEvents: int32(b.MaxEvents), MaxWindow: duration(b.Window), MaxBytes: int32(b.MaxBytes)}
}

func toBatching(m *deliveryv1.Batching) *delivery.Batching {
	if m == nil {
		return nil
	}
	return &delivery.Batching{MaxEvents: int(m.GetMaxEvents()), Window: m.GetMaxWindow().AsDuration(), MaxBytes: int(m.GetMaxBytes())}
}
