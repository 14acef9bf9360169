package rpc

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/buslog"
)

// CreateBus implements deliveryv1.DeliveryServiceServer.
func (s *server) CreateBus(ctx context.Context, req *deliveryv1.CreateBusRequest) (*deliveryv1.CreateBusResponse, error) {
	project, err := parseProject(req.GetParent())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	bus := delivery.Bus{Name: delivery.BusName{Project: project, Bus: req.GetBusId()}}
	setBus(&bus, req.GetBus())
	bus, err = s.service.CreateBus(ctx, bus, delivery.Write{ValidateOnly: req.GetValidateOnly()})
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.CreateBusResponse{Bus: fromBus(&bus)}, nil
}

// GetBus implements deliveryv1.DeliveryServiceServer.
func (s *server) GetBus(ctx context.Context, req *deliveryv1.GetBusRequest) (*deliveryv1.GetBusResponse, error) {
	name, err := parseBus("name", req.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	bus, err := s.service.GetBus(ctx, name)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.GetBusResponse{Bus: fromBus(&bus)}, nil
}

// ListBuses implements deliveryv1.DeliveryServiceServer.
func (s *server) ListBuses(ctx context.Context, req *deliveryv1.ListBusesRequest) (*deliveryv1.ListBusesResponse, error) {
	project, err := parseProject(req.GetParent())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	list, next, err := listed(s, "buses\n"+req.GetParent(), req.GetPageToken(), req.GetPageSize(),
		func(after string, limit int) ([]delivery.Bus, error) {
			return s.service.ListBuses(ctx, project, after, limit)
		},
		func(bus *delivery.Bus) string { return bus.Name.Bus }, fromBus)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.ListBusesResponse{Buses: list, NextPageToken: next}, nil
}

// UpdateBus implements deliveryv1.DeliveryServiceServer.
func (s *server) UpdateBus(ctx context.Context, req *deliveryv1.UpdateBusRequest) (*deliveryv1.UpdateBusResponse, error) {
	in := req.GetBus()
	name, err := parseBus("bus.name", in.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	bus, err := s.service.UpdateBus(ctx, name, delivery.Write{Etag: in.GetEtag(), ValidateOnly: req.GetValidateOnly()},
		func(bus *delivery.Bus) error {
			merged := fromBus(bus)
			err := s.merge("bus", merged, in, req.GetUpdateMask(), "description", "deduplicate_content", "retention",
				"log_config")
			if err != nil {
				return err
			}
			setBus(bus, merged)
			return nil
		})
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.UpdateBusResponse{Bus: fromBus(&bus)}, nil
}

// DeleteBus implements deliveryv1.DeliveryServiceServer.
func (s *server) DeleteBus(ctx context.Context, req *deliveryv1.DeleteBusRequest) (*deliveryv1.DeleteBusResponse, error) {
	name, err := parseBus("name", req.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	if err := s.service.DeleteBus(ctx, name, delivery.Write{Etag: req.GetEtag()}); err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.DeleteBusResponse{}, nil
}

// setBus sets what a caller can change.
func setBus(b *delivery.Bus, m *deliveryv1.Bus) {
	b.Description, b.Settings = m.GetDescription(), delivery.BusSettings{
		DeduplicateContent: m.GetDeduplicateContent(),
		Retention: delivery.Retention{
			MaxAge: toAge(m.GetRetention().GetMaxAge()), DeadLetterAge: toAge(m.GetRetention().GetDeadLetterMaxAge()),
			MaxBytes: m.GetRetention().GetMaxBytes(),
		},
		Log: buslog.Config{
			Level: buslog.Level(m.GetLogConfig().GetLevel()), Detail: buslog.Detail(m.GetLogConfig().GetIncludeDetail()),
		},
	}
}

// toAge and fromAge are between the API, where an age of 0 is for ever, and the domain.
func toAge(d *durationpb.Duration) time.Duration {
	switch {
	case d == nil:
		return 0
	case d.AsDuration() == 0:
		return delivery.Forever
	}
	return d.AsDuration()
}

func fromAge(age time.Duration) *durationpb.Duration {
	if age == 0 {
		return nil
	}
	return durationpb.New(max(age, 0)) // Forever is negative
}

func fromRetention(r delivery.Retention) *deliveryv1.Retention {
	if r == (delivery.Retention{}) {
		return nil
	}
	return &deliveryv1.Retention{MaxAge: fromAge(r.MaxAge), DeadLetterMaxAge: fromAge(r.DeadLetterAge), MaxBytes: r.MaxBytes}
}

func fromLog(c buslog.Config) *deliveryv1.LogConfig {
	if c == (buslog.Config{}) {
		return nil
	}
	return &deliveryv1.LogConfig{Level: deliveryv1.LogConfig_Level(c.Level), IncludeDetail: deliveryv1.LogConfig_IncludeDetail(c.Detail)}
}
