package gateway

import (
	"context"
	"errors"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/protobuf/reflect/protoreflect"

	accessv1 "github.com/freshet-io/freshet/gen/freshet/access/v1"
	callsv1 "github.com/freshet-io/freshet/gen/freshet/calls/v1"
	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	accessrest "github.com/freshet-io/freshet/gen/rest/freshet/access/v1"
	callsrest "github.com/freshet-io/freshet/gen/rest/freshet/calls/v1"
	connectionrest "github.com/freshet-io/freshet/gen/rest/freshet/connection/v1"
	deliveryrest "github.com/freshet-io/freshet/gen/rest/freshet/delivery/v1"
	tokenrest "github.com/freshet-io/freshet/gen/rest/freshet/token/v1"
)

// contracts are the files whose services have a REST face. Each service of theirs is registered by [registerServices].
func contracts() []protoreflect.FileDescriptor {
	return []protoreflect.FileDescriptor{
		callsv1.File_freshet_calls_v1_call_log_service_proto,
		connectionv1.File_freshet_connection_v1_connection_service_proto,
		connectionv1.File_freshet_connection_v1_provider_service_proto,
		connectionv1.File_freshet_connection_v1_api_service_proto,
		connectionv1.File_freshet_connection_v1_grant_service_proto,
		connectionv1.File_freshet_connection_v1_grant_job_service_proto,
		connectionv1.File_freshet_connection_v1_end_user_service_proto,
		connectionv1.File_freshet_connection_v1_interface_service_proto,
		accessv1.File_freshet_access_v1_call_service_proto,
		connectionv1.File_freshet_connection_v1_connect_service_proto,
		tokenv1.File_freshet_token_v1_rehearsal_service_proto,
		tokenv1.File_freshet_token_v1_token_service_proto,
		tokenv1.File_freshet_token_v1_dpop_service_proto,
		tokenv1.File_freshet_token_v1_oauth1_service_proto,
		deliveryv1.File_freshet_delivery_v1_archive_service_proto,
		deliveryv1.File_freshet_delivery_v1_delivery_service_proto,
		deliveryv1.File_freshet_delivery_v1_pattern_service_proto,
		deliveryv1.File_freshet_delivery_v1_webhook_service_proto,
		deliveryv1.File_freshet_delivery_v1_destination_control_service_proto,
		deliveryv1.File_freshet_delivery_v1_schedule_service_proto,
		deliveryv1.File_freshet_delivery_v1_replay_service_proto,
		deliveryv1.File_freshet_delivery_v1_signing_key_service_proto,
		deliveryv1.File_freshet_delivery_v1_redrive_service_proto,
	}
}

// registerServices makes a mux turn requests into calls of the services.
func registerServices(ctx context.Context, calls *runtime.ServeMux, p Params) error {
	return errors.Join(
		callsrest.RegisterCallLogServiceHandlerClient(ctx, calls, callsv1.NewCallLogServiceClient(p.Access)),
		connectionrest.RegisterConnectionServiceHandlerClient(ctx, calls, connectionv1.NewConnectionServiceClient(p.Connection)),
		connectionrest.RegisterProviderServiceHandlerClient(ctx, calls, connectionv1.NewProviderServiceClient(p.Connection)),
		connectionrest.RegisterApiServiceHandlerClient(ctx, calls, connectionv1.NewApiServiceClient(p.Connection)),
		connectionrest.RegisterGrantServiceHandlerClient(ctx, calls, connectionv1.NewGrantServiceClient(p.Connection)),
		connectionrest.RegisterGrantJobServiceHandlerClient(ctx, calls, connectionv1.NewGrantJobServiceClient(p.Connection)),
		connectionrest.RegisterEndUserServiceHandlerClient(ctx, calls, connectionv1.NewEndUserServiceClient(p.Connection)),
		connectionrest.RegisterInterfaceServiceHandlerClient(ctx, calls, connectionv1.NewInterfaceServiceClient(p.Connection)),
		accessrest.RegisterCallServiceHandlerClient(ctx, calls, accessv1.NewCallServiceClient(p.Access)),
		connectionrest.RegisterConnectServiceHandlerClient(ctx, calls, connectionv1.NewConnectServiceClient(p.Connection)),
		tokenrest.RegisterTokenServiceHandlerClient(ctx, calls, tokenv1.NewTokenServiceClient(p.Token)),
		tokenrest.RegisterDpopServiceHandlerClient(ctx, calls, tokenv1.NewDpopServiceClient(p.Token)),
		tokenrest.RegisterOauth1ServiceHandlerClient(ctx, calls, tokenv1.NewOauth1ServiceClient(p.Token)),
		tokenrest.RegisterRehearsalServiceHandlerClient(ctx, calls, tokenv1.NewRehearsalServiceClient(p.Token)),
		deliveryrest.RegisterArchiveServiceHandlerClient(ctx, calls, deliveryv1.NewArchiveServiceClient(p.Delivery)),
		deliveryrest.RegisterDeliveryServiceHandlerClient(ctx, calls, deliveryv1.NewDeliveryServiceClient(p.Delivery)),
		deliveryrest.RegisterPatternServiceHandlerClient(ctx, calls, deliveryv1.NewPatternServiceClient(p.Delivery)),
		deliveryrest.RegisterWebhookServiceHandlerClient(ctx, calls, deliveryv1.NewWebhookServiceClient(p.Delivery)),
		deliveryrest.RegisterDestinationControlServiceHandlerClient(ctx, calls, deliveryv1.NewDestinationControlServiceClient(p.Delivery)),
		deliveryrest.RegisterScheduleServiceHandlerClient(ctx, calls, deliveryv1.NewScheduleServiceClient(p.Delivery)),
		deliveryrest.RegisterRedriveServiceHandlerClient(ctx, calls, deliveryv1.NewRedriveServiceClient(p.Delivery)),
		deliveryrest.RegisterReplayServiceHandlerClient(ctx, calls, deliveryv1.NewReplayServiceClient(p.Delivery)),
		deliveryrest.RegisterSigningKeyServiceHandlerClient(ctx, calls, deliveryv1.NewSigningKeyServiceClient(p.Delivery)),
	)
}
