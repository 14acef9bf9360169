package rpc

import (
	"context"
	"log/slog"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc"

	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	"github.com/freshet-io/freshet/services/delivery"
	"github.com/freshet-io/freshet/services/delivery/jobs"
	"github.com/freshet-io/freshet/services/internal/authn"
	"github.com/freshet-io/freshet/services/internal/page"
)

// Options are what the handlers need besides the use cases.
type Options struct {
	// Logger gets errors that callers do not see in full. Default: discard.
	Logger *slog.Logger
	// Jobs are the use cases of long work. Required.
	Jobs *jobs.Service
	// Pages makes page tokens. Required.
	Pages *page.Codec
	// Validator checks resources after an update is merged. Default: protovalidate.GlobalValidator.
	Validator protovalidate.Validator
}

// Register registers the services of the delivery role.
func Register(r grpc.ServiceRegistrar, svc *delivery.Service, o Options) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Validator == nil {
		o.Validator = protovalidate.GlobalValidator
	}
	s := &server{service: svc, jobs: o.Jobs, logger: o.Logger, pages: o.Pages, validator: o.Validator}
	deliveryv1.RegisterDeliveryServiceServer(r, s)
	deliveryv1.RegisterPatternServiceServer(r, patternServer{server: s})
	deliveryv1.RegisterDestinationControlServiceServer(r, controlServer{server: s})
	deliveryv1.RegisterScheduleServiceServer(r, s)
	deliveryv1.RegisterArchiveServiceServer(r, archiveServer{server: s})
	deliveryv1.RegisterReplayServiceServer(r, replayServer{server: s})
	deliveryv1.RegisterSigningKeyServiceServer(r, signingServer{server: s})
	deliveryv1.RegisterWebhookServiceServer(r, webhookServer{server: s})
	deliveryv1.RegisterWebhookInternalServiceServer(r, webhookServer{server: s})
	deliveryv1.RegisterRedriveServiceServer(r, redriveServer{server: s})
}

type server struct {
	deliveryv1.UnimplementedDeliveryServiceServer
	deliveryv1.UnimplementedScheduleServiceServer
	service   *delivery.Service
	jobs      *jobs.Service
	logger    *slog.Logger
	pages     *page.Codec
	validator protovalidate.Validator
}

// listed reads one page of a list: the rows after the token's cursor, and the token of the next page.
func listed[R, M any](
	s *server, scope, token string, size int32,
	read func(after string, limit int) ([]R, error), key func(*R) string, convert func(*R) M,
) (messages []M, next string, err error) {
	cursor, err := s.pages.Decode(scope, token)
	if err != nil {
		return nil, "", err
	}
	after := ""
	if len(cursor) > 0 {
		after = cursor[0]
	}
	limit := page.Size(size)
	rows, err := read(after, limit+1) // one more tells whether there is a next page
	if err != nil {
		return nil, "", err
	}
	if len(rows) > limit {
		rows = rows[:limit]
		next = s.pages.Encode(scope, key(&rows[limit-1]))
	}
	for i := range rows {
		messages = append(messages, convert(&rows[i]))
	}
	return messages, next, nil
}

// PutEvents implements deliveryv1.DeliveryServiceServer.
func (s *server) PutEvents(ctx context.Context, req *deliveryv1.PutEventsRequest) (*deliveryv1.PutEventsResponse, error) {
	bus, err := parseBus("bus", req.GetBus())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	caller, _ := authn.FromContext(ctx)
	results, err := s.service.PutEvents(ctx, bus, toEntries(req.GetEntries()), caller.Service != "")
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	response := &deliveryv1.PutEventsResponse{FailedEntryCount: new(int32)}
	for _, r := range results {
		if r.Code != "" {
			*response.FailedEntryCount++
		}
		response.Entries = append(response.Entries, &deliveryv1.PutEventsResultEntry{
			EventId: r.EventID, Duplicate: r.Duplicate, ErrorCode: r.Code, ErrorMessage: r.Message,
		})
	}
	return response, nil
}

// GetDelivery implements deliveryv1.DeliveryServiceServer.
func (s *server) GetDelivery(ctx context.Context, req *deliveryv1.GetDeliveryRequest) (*deliveryv1.GetDeliveryResponse, error) {
	id, err := parseDelivery("name", req.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	d, err := s.service.GetDelivery(ctx, id)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.GetDeliveryResponse{Delivery: fromDelivery(&d)}, nil
}

// ListDeliveries implements deliveryv1.DeliveryServiceServer.
func (s *server) ListDeliveries(
	ctx context.Context, req *deliveryv1.ListDeliveriesRequest,
) (*deliveryv1.ListDeliveriesResponse, error) {
	project, err := parseProject(req.GetParent())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	filter, err := parseFilter(req.GetFilter(), project)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	list, next, err := listed(s, "deliveries\n"+project+"\n"+req.GetFilter(), req.GetPageToken(), req.GetPageSize(),
		func(before string, limit int) ([]delivery.Delivery, error) {
			return s.service.ListDeliveries(ctx, project, filter, before, limit)
		},
		func(d *delivery.Delivery) string { return d.ID.Delivery }, fromDelivery)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.ListDeliveriesResponse{Deliveries: list, NextPageToken: next}, nil
}

// RedriveDelivery implements deliveryv1.DeliveryServiceServer.
func (s *server) RedriveDelivery(
	ctx context.Context, req *deliveryv1.RedriveDeliveryRequest,
) (*deliveryv1.RedriveDeliveryResponse, error) {
	id, err := parseDelivery("name", req.GetName())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	edit := delivery.Edit{Body: req.Body, MergePatch: req.GetMergePatch()}
	if name := req.GetDestination(); name != "" {
		if edit.Destination, err = sibling("destination", name, id.Project, "destinations"); err != nil {
			return nil, s.fail(ctx, err)
		}
	}
	d, err := s.service.RedriveDelivery(ctx, id, edit)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return &deliveryv1.RedriveDeliveryResponse{Delivery: fromDelivery(&d)}, nil
}

// RedriveDeliveries implements deliveryv1.DeliveryServiceServer.
func (s *server) RedriveDeliveries(
	ctx context.Context, req *deliveryv1.RedriveDeliveriesRequest,
) (*deliveryv1.RedriveDeliveriesResponse, error) {
	project, err := parseProject(req.GetParent())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	filter, err := parseDeadFilter(req.GetFilter(), project)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	n, err := s.service.RedriveDeliveries(ctx, project, filter, int(req.GetMaxCount()), req.GetValidateOnly())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	count := int32(n) // at most 10,000
	return &deliveryv1.RedriveDeliveriesResponse{RedrivenCount: &count}, nil
}
