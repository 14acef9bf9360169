package manifest

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
)

// Clients are the services that manifests are applied to.
type Clients struct {
	Connection connectionv1.ConnectionServiceClient
	Delivery   deliveryv1.DeliveryServiceClient
	Schedule   deliveryv1.ScheduleServiceClient
	Archive    deliveryv1.ArchiveServiceClient
	Webhook    deliveryv1.WebhookServiceClient
}

// kind is what differs between the kinds of objects.
type kind struct {
	name string
	// pattern is the form of the resource name; parts in braces stand for an id.
	pattern string
	empty   func() proto.Message
	// missing is the reason with which get says that there is none.
	missing errorsv1.Reason
	get     func(ctx context.Context, c Clients, name string) (proto.Message, error)
	create  func(ctx context.Context, c Clients, parent, id string, m proto.Message, validateOnly bool) (proto.Message, error)
	update  func(ctx context.Context, c Clients, m proto.Message, mask *fieldmaskpb.FieldMask, validateOnly bool) (proto.Message, error)
}

// kinds returns all kinds in the order in which they are applied: what is referred to comes first.
func kinds() []kind {
	return []kind{connectionKind(), busKind(), archiveKind(), destinationKind(), ruleKind(), scheduleKind(), webhookKind()}
}

func kindByName(name string) (kind, bool) {
	all := kinds()
	at := slices.IndexFunc(all, func(k kind) bool { return k.name == name })
	if at < 0 {
		return kind{}, false
	}
	return all[at], true
}

func kindNames() string {
	names := make([]string, 0, len(kinds()))
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return strings.Join(names, ", ")
}

// ofBus tells whether the kind's objects are those of a bus.
func (k kind) ofBus() bool { return strings.Contains(k.pattern, "/buses/{bus}/") }

// matches reports whether name has the form of the kind's names.
func (k kind) matches(name string) bool {
	want, got := strings.Split(k.pattern, "/"), strings.Split(name, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if literal := !strings.HasPrefix(want[i], "{"); got[i] == "" || literal && got[i] != want[i] {
			return false
		}
	}
	return true
}

func connectionKind() kind {
	return kind{
		name: "Connection", pattern: "projects/{project}/connections/{connection}", missing: errorsv1.Reason_CONNECTION_NOT_FOUND,
		empty: func() proto.Message { return new(connectionv1.Connection) },
		get: func(ctx context.Context, c Clients, name string) (proto.Message, error) {
			answer, err := c.Connection.GetConnection(ctx, &connectionv1.GetConnectionRequest{Name: name})
			return answer.GetConnection(), err
		},
		create: func(ctx context.Context, c Clients, parent, id string, m proto.Message, validateOnly bool) (proto.Message, error) {
			answer, err := c.Connection.CreateConnection(ctx, &connectionv1.CreateConnectionRequest{
				Parent: parent, ConnectionId: id, Connection: m.(*connectionv1.Connection), ValidateOnly: validateOnly,
			})
			return answer.GetConnection(), err
		},
		update: func(ctx context.Context, c Clients, m proto.Message, mask *fieldmaskpb.FieldMask, validateOnly bool) (proto.Message, error) {
			answer, err := c.Connection.UpdateConnection(ctx, &connectionv1.UpdateConnectionRequest{
				Connection: m.(*connectionv1.Connection), UpdateMask: mask, ValidateOnly: validateOnly,
			})
			return answer.GetConnection(), err
		},
	}
}

func busKind() kind {
	return kind{
		name: "Bus", pattern: "projects/{project}/buses/{bus}", missing: errorsv1.Reason_BUS_NOT_FOUND,
		empty: func() proto.Message { return new(deliveryv1.Bus) },
		get: func(ctx context.Context, c Clients, name string) (proto.Message, error) {
			answer, err := c.Delivery.GetBus(ctx, &deliveryv1.GetBusRequest{Name: name})
			return answer.GetBus(), err
		},
		create: func(ctx context.Context, c Clients, parent, id string, m proto.Message, validateOnly bool) (proto.Message, error) {
			answer, err := c.Delivery.CreateBus(ctx, &deliveryv1.CreateBusRequest{
				Parent: parent, BusId: id, Bus: m.(*deliveryv1.Bus), ValidateOnly: validateOnly,
			})
			return answer.GetBus(), err
		},
		update: func(ctx context.Context, c Clients, m proto.Message, mask *fieldmaskpb.FieldMask, validateOnly bool) (proto.Message, error) {
			answer, err := c.Delivery.UpdateBus(ctx, &deliveryv1.UpdateBusRequest{
				Bus: m.(*deliveryv1.Bus), UpdateMask: mask, ValidateOnly: validateOnly,
			})
			return answer.GetBus(), err
		},
	}
}

func destinationKind() kind {
	return kind{
		name: "Destination", pattern: "projects/{project}/destinations/{destination}", missing: errorsv1.Reason_DESTINATION_NOT_FOUND,
		empty: func() proto.Message { return new(deliveryv1.Destination) },
		get: func(ctx context.Context, c Clients, name string) (proto.Message, error) {
			answer, err := c.Delivery.GetDestination(ctx, &deliveryv1.GetDestinationRequest{Name: name})
			return answer.GetDestination(), err
		},
		create: func(ctx context.Context, c Clients, parent, id string, m proto.Message, validateOnly bool) (proto.Message, error) {
			answer, err := c.Delivery.CreateDestination(ctx, &deliveryv1.CreateDestinationRequest{
				Parent: parent, DestinationId: id, Destination: m.(*deliveryv1.Destination), ValidateOnly: validateOnly,
			})
			return answer.GetDestination(), err
		},
		update: func(ctx context.Context, c Clients, m proto.Message, mask *fieldmaskpb.FieldMask, validateOnly bool) (proto.Message, error) {
			answer, err := c.Delivery.UpdateDestination(ctx, &deliveryv1.UpdateDestinationRequest{
				Destination: m.(*deliveryv1.Destination), UpdateMask: mask, ValidateOnly: validateOnly,
			})
			return answer.GetDestination(), err
		},
	}
}

func ruleKind() kind {
	return kind{
		name: "Rule", pattern: "projects/{project}/buses/{bus}/rules/{rule}", missing: errorsv1.Reason_RULE_NOT_FOUND,
		empty: func() proto.Message { return new(deliveryv1.Rule) },
		get: func(ctx context.Context, c Clients, name string) (proto.Message, error) {
			answer, err := c.Delivery.GetRule(ctx, &deliveryv1.GetRuleRequest{Name: name})
			return answer.GetRule(), err
		},
		create: func(ctx context.Context, c Clients, parent, id string, m proto.Message, validateOnly bool) (proto.Message, error) {
			answer, err := c.Delivery.CreateRule(ctx, &deliveryv1.CreateRuleRequest{
				Parent: parent, RuleId: id, Rule: m.(*deliveryv1.Rule), ValidateOnly: validateOnly,
			})
			return answer.GetRule(), err
		},
		update: func(ctx context.Context, c Clients, m proto.Message, mask *fieldmaskpb.FieldMask, validateOnly bool) (proto.Message, error) {
			answer, err := c.Delivery.UpdateRule(ctx, &deliveryv1.UpdateRuleRequest{
				Rule: m.(*deliveryv1.Rule), UpdateMask: mask, ValidateOnly: validateOnly,
			})
			return answer.GetRule(), err
		},
	}
}

func scheduleKind() kind {
	return kind{
		name: "Schedule", pattern: "projects/{project}/buses/{bus}/schedules/{schedule}", missing: errorsv1.Reason_SCHEDULE_NOT_FOUND,
		empty: func() proto.Message { return new(deliveryv1.Schedule) },
		get: func(ctx context.Context, c Clients, name string) (proto.Message, error) {
			answer, err := c.Schedule.GetSchedule(ctx, &deliveryv1.GetScheduleRequest{Name: name})
			return answer.GetSchedule(), err
		},
		create: func(ctx context.Context, c Clients, parent, id string, m proto.Message, validateOnly bool) (proto.Message, error) {
			answer, err := c.Schedule.CreateSchedule(ctx, &deliveryv1.CreateScheduleRequest{
				Parent: parent, ScheduleId: id, Schedule: m.(*deliveryv1.Schedule), ValidateOnly: validateOnly,
			})
			return answer.GetSchedule(), err
		},
		update: func(ctx context.Context, c Clients, m proto.Message, mask *fieldmaskpb.FieldMask, validateOnly bool) (proto.Message, error) {
			answer, err := c.Schedule.UpdateSchedule(ctx, &deliveryv1.UpdateScheduleRequest{
				Schedule: m.(*deliveryv1.Schedule), UpdateMask: mask, ValidateOnly: validateOnly,
			})
			return answer.GetSchedule(), err
		},
	}
}

func archiveKind() kind {
	return kind{
		name: "Archive", pattern: "projects/{project}/buses/{bus}/archives/{archive}", missing: errorsv1.Reason_ARCHIVE_NOT_FOUND,
		empty: func() proto.Message { return new(deliveryv1.Archive) },
		get: func(ctx context.Context, c Clients, name string) (proto.Message, error) {
			answer, err := c.Archive.GetArchive(ctx, &deliveryv1.GetArchiveRequest{Name: name})
			return answer.GetArchive(), err
		},
		create: func(ctx context.Context, c Clients, parent, id string, m proto.Message, validateOnly bool) (proto.Message, error) {
			answer, err := c.Archive.CreateArchive(ctx, &deliveryv1.CreateArchiveRequest{
				Parent: parent, ArchiveId: id, Archive: m.(*deliveryv1.Archive), ValidateOnly: validateOnly,
			})
			return answer.GetArchive(), err
		},
		update: func(ctx context.Context, c Clients, m proto.Message, mask *fieldmaskpb.FieldMask, validateOnly bool) (proto.Message, error) {
			answer, err := c.Archive.UpdateArchive(ctx, &deliveryv1.UpdateArchiveRequest{
				Archive: m.(*deliveryv1.Archive), UpdateMask: mask, ValidateOnly: validateOnly,
			})
			return answer.GetArchive(), err
		},
	}
}

func webhookKind() kind {
	return kind{
		name: "Webhook", pattern: "projects/{project}/buses/{bus}/webhooks/{webhook}", missing: errorsv1.Reason_WEBHOOK_NOT_FOUND,
		empty: func() proto.Message { return new(deliveryv1.Webhook) },
		get: func(ctx context.Context, c Clients, name string) (proto.Message, error) {
			answer, err := c.Webhook.GetWebhook(ctx, &deliveryv1.GetWebhookRequest{Name: name})
			return answer.GetWebhook(), err
		},
		create: func(ctx context.Context, c Clients, parent, id string, m proto.Message, validateOnly bool) (proto.Message, error) {
			answer, err := c.Webhook.CreateWebhook(ctx, &deliveryv1.CreateWebhookRequest{
				Parent: parent, WebhookId: id, Webhook: m.(*deliveryv1.Webhook), ValidateOnly: validateOnly,
			})
			return answer.GetWebhook(), err
		},
		update: func(ctx context.Context, c Clients, m proto.Message, mask *fieldmaskpb.FieldMask, validateOnly bool) (proto.Message, error) {
			answer, err := c.Webhook.UpdateWebhook(ctx, &deliveryv1.UpdateWebhookRequest{
				Webhook: m.(*deliveryv1.Webhook), UpdateMask: mask, ValidateOnly: validateOnly,
			})
			return answer.GetWebhook(), err
		},
	}
}
