package commands

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
)

func ordersBus() *deliveryv1.Bus {
	return &deliveryv1.Bus{
		Name: "projects/default/buses/orders", Description: "what is sold", SizeBytes: 123456789, UpdateTime: at(-2 * time.Hour),
		Retention: &deliveryv1.Retention{MaxAge: durationpb.New(48 * time.Hour), DeadLetterMaxAge: durationpb.New(0), MaxBytes: 1 << 30},
	}
}

func (s *scripted) GetBus(_ context.Context, r *deliveryv1.GetBusRequest) (*deliveryv1.GetBusResponse, error) {
	s.record(r)
	return &deliveryv1.GetBusResponse{Bus: ordersBus()}, nil
}

func (s *scripted) ListBuses(_ context.Context, r *deliveryv1.ListBusesRequest) (*deliveryv1.ListBusesResponse, error) {
	s.record(r)
	return &deliveryv1.ListBusesResponse{Buses: []*deliveryv1.Bus{{Name: "projects/default/buses/default"}, ordersBus()}}, nil
}

func (s *scripted) UpdateBus(_ context.Context, r *deliveryv1.UpdateBusRequest) (*deliveryv1.UpdateBusResponse, error) {
	s.record(r)
	return &deliveryv1.UpdateBusResponse{Bus: ordersBus()}, nil
}
