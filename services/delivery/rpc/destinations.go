package rpc

import (
	"context"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	"github.com/freshet-io/freshet/services/delivery"
)

// CreateDestination implements deliveryv1.DeliveryServiceServer.
func (s *server) CreateDestination(ctx context.Context, req *deliveryv1.CreateDestinationRequest) (*deliveryv1.CreateDestinationResponse, error) {
	project, err := parseProject(req.GetParent())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	d := delivery.Destination{Name: delivery.DestinationName{Project: project, Destination: req.GetDestinationId()}}
	if err := setDestination(&d, req.GetDestination()); err != nil {
		return nil, s.fail(ctx, err)
	}
	d, err = s.service.CreateDestination(ctx, d, delivery.Write{ValidateOnly: req.GetValidateOnly()})
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.CreateDestinationResponse{Destination: fromDestination(&d)}, nil
}

// GetDestination implements deliveryv1.DeliveryServiceServer.
func (s *server) GetDestination(ctx context.Context, req *deliveryv1.GetDestinationRequest) (*deliveryv1.GetDestinationResponse, error) {
	name, err := parseDestination("name", req.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	d, err := s.service.GetDestination(ctx, name)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.GetDestinationResponse{Destination: fromDestination(&d)}, nil
}

// ListDestinations implements deliveryv1.DeliveryServiceServer.
func (s *server) ListDestinations(ctx context.Context, req *deliveryv1.ListDestinationsRequest) (*deliveryv1.ListDestinationsResponse, error) {
	project, err := parseProject(req.GetParent())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	list, next, err := listed(s, "destinations\n"+req.GetParent(), req.GetPageToken(), req.GetPageSize(),
		func(after string, limit int) ([]delivery.Destination, error) {
			return s.service.ListDestinations(ctx, project, after, limit)
		},
		func(d *delivery.Destination) string { return d.Name.Destination }, fromDestination)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.ListDestinationsResponse{Destinations: list, NextPageToken: next}, nil
}

// UpdateDestination implements deliveryv1.DeliveryServiceServer.
func (s *server) UpdateDestination(ctx context.Context, req *deliveryv1.UpdateDestinationRequest) (*deliveryv1.UpdateDestinationResponse, error) {
	in := req.GetDestination()
	name, err := parseDestination("destination.name", in.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	d, err := s.service.UpdateDestination(ctx, name, delivery.Write{Etag: in.GetEtag(), ValidateOnly: req.GetValidateOnly()},
		func(d *delivery.Destination) error {
			merged := fromDestination(d)
			err := s.merge("destination", merged, in, req.GetUpdateMask(), "description", "connection", "endpoint", "http_method",
				"rate_limit_per_second", "timeout", "unlimited_rate", "max_concurrency", "circuit_breaker", "attempt_detail",
				"extra_unauthorized_statuses", "retryable_statuses", "permanent_statuses", "idempotency_header")
			if err != nil {
				return err
			}
			return setDestination(d, merged)
		})
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.UpdateDestinationResponse{Destination: fromDestination(&d)}, nil
}

// DeleteDestination implements deliveryv1.DeliveryServiceServer.
func (s *server) DeleteDestination(ctx context.Context, req *deliveryv1.DeleteDestinationRequest) (*deliveryv1.DeleteDestinationResponse, error) {
	name, err := parseDestination("name", req.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	if err := s.service.DeleteDestination(ctx, name, delivery.Write{Etag: req.GetEtag()}); err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.DeleteDestinationResponse{}, nil
}
