package rpc

import (
	"context"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	"github.com/freshet-io/freshet/services/delivery"
)

// controlServer implements deliveryv1.DestinationControlServiceServer.
type controlServer struct {
	deliveryv1.UnimplementedDestinationControlServiceServer
	*server
}

// PauseDestination implements deliveryv1.DestinationControlServiceServer.
func (s controlServer) PauseDestination(
	ctx context.Context, req *deliveryv1.PauseDestinationRequest,
) (*deliveryv1.PauseDestinationResponse, error) {
	name, err := parseDestination("name", req.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	d, err := s.service.PauseDestination(ctx, name, req.GetReason())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.PauseDestinationResponse{Destination: fromDestination(&d)}, nil
}

// ResumeDestination implements deliveryv1.DestinationControlServiceServer.
func (s controlServer) ResumeDestination(
	ctx context.Context, req *deliveryv1.ResumeDestinationRequest,
) (*deliveryv1.ResumeDestinationResponse, error) {
	name, err := parseDestination("name", req.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	d, err := s.service.ResumeDestination(ctx, name)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.ResumeDestinationResponse{Destination: fromDestination(&d)}, nil
}

// GetDestinationBacklog implements deliveryv1.DestinationControlServiceServer.
func (s controlServer) GetDestinationBacklog(
	ctx context.Context, req *deliveryv1.GetDestinationBacklogRequest,
) (*deliveryv1.GetDestinationBacklogResponse, error) {
	name, err := parseDestination("name", req.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	b, err := s.service.DestinationBacklog(ctx, name)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	waiting, inMemory := int32(b.Waiting), int32(b.InMemory) // both bounded far below
	return &deliveryv1.GetDestinationBacklogResponse{Backlog: &deliveryv1.DestinationBacklog{
		Name: name.String(), WaitingCount: &waiting, MoreWaiting: b.More, InMemoryCount: &inMemory, OldestDueTime: timestamp(b.Oldest),
	}}, nil
}

// setHolds sets what holds a destination, or may.
func setHolds(m *deliveryv1.Destination, d *delivery.Destination) {
	m.CircuitBreaker = fromBreaker(d.Breaker)
	if c := &d.Circuit; c.IsOpen() && !d.Breaker.Disabled {
		m.Circuit = &deliveryv1.Circuit{
			State: deliveryv1.Circuit_OPEN, OpenTime: timestamp(c.OpenTime), Reason: c.Reason, NextProbeTime: timestamp(c.NextProbe),
			FailedProbeCount: int32(c.Failed), // grows once a probe
		}
		if d.Probing {
			m.Circuit.State = deliveryv1.Circuit_HALF_OPEN
		}
		if d.Active {
			m.State = deliveryv1.Destination_CIRCUIT_OPEN
		}
	}
	if d.Pause.IsSet() {
		m.State = deliveryv1.Destination_PAUSED
		m.Pause = &deliveryv1.Pause{PauseTime: timestamp(d.Pause.Time), Reason: d.Pause.Reason}
	}
}

func fromBreaker(b delivery.Breaker) *deliveryv1.CircuitBreaker {
	if b == (delivery.Breaker{}) {
		return nil
	}
	return &deliveryv1.CircuitBreaker{
		Disabled: b.Disabled, ConsecutiveFailures: int32(b.Failures), // at most 10,000
		MinimumFailingTime: duration(b.FailingTime), ProbeInterval: duration(b.Probe), MaximumProbeInterval: duration(b.LongestProbe),
	}
}

func toBreaker(m *deliveryv1.CircuitBreaker) delivery.Breaker {
	return delivery.Breaker{
		Disabled: m.GetDisabled(), Failures: int(m.GetConsecutiveFailures()), FailingTime: m.GetMinimumFailingTime().AsDuration(),
		Probe: m.GetProbeInterval().AsDuration(), LongestProbe: m.GetMaximumProbeInterval().AsDuration(),
	}
}
