package gateway_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	deliveryv1 "github.com/freshet-io/freshet/gen/freshet/delivery/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/gateway"
)

// call is a call as a service received it.
type call struct {
	method   string // "ConnectionService.GetConnection"
	request  proto.Message
	metadata metadata.MD
}

// services implement every public method of the suite from the contracts: each records its call and answers what the test has set for
// it, by default an empty message.
type services struct {
	mu      sync.Mutex
	calls   []call
	unary   map[string]func(ctx context.Context, request proto.Message) (proto.Message, error)
	streams map[string]func(request proto.Message, stream grpc.ServerStream) error
}

func newServices() *services {
	return &services{
		unary:   make(map[string]func(context.Context, proto.Message) (proto.Message, error)),
		streams: make(map[string]func(proto.Message, grpc.ServerStream) error),
	}
}

// answer makes a method answer so.
func (s *services) answer(method string, response proto.Message, err error) {
	s.unary[method] = func(context.Context, proto.Message) (proto.Message, error) { return response, err }
}

// watch makes WatchToken run so.
func (s *services) watch(run func(request *tokenv1.WatchTokenRequest, stream grpc.ServerStream) error) {
	s.streams["TokenService.WatchToken"] = func(request proto.Message, stream grpc.ServerStream) error {
		return run(request.(*tokenv1.WatchTokenRequest), stream)
	}
}

func (s *services) record(ctx context.Context, method string, request proto.Message) {
	md, _ := metadata.FromIncomingContext(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call{method: method, request: request, metadata: md})
}

// take returns the only call since it was last asked.
func (s *services) take(t *testing.T) call {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Len(t, s.calls, 1)
	taken := s.calls[0]
	s.calls = nil
	return taken
}

// requireNoCalls checks that nothing reached a service.
func (s *services) requireNoCalls(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Empty(t, s.calls)
}

func (s *services) register(registrar grpc.ServiceRegistrar) {
	for _, file := range append(gateway.Contracts(), deliveryv1.File_freshet_delivery_v1_webhook_internal_service_proto,
		connectionv1.File_freshet_connection_v1_connect_internal_service_proto) {
		for i := range file.Services().Len() {
			registrar.RegisterService(s.describe(file.Services().Get(i)), s)
		}
	}
}

func (s *services) describe(service protoreflect.ServiceDescriptor) *grpc.ServiceDesc {
	desc := &grpc.ServiceDesc{ServiceName: string(service.FullName()), HandlerType: (*any)(nil)}
	for i := range service.Methods().Len() {
		method := service.Methods().Get(i)
		if method.IsStreamingClient() {
			continue // has no REST face
		}
		if method.IsStreamingServer() {
			desc.Streams = append(desc.Streams, grpc.StreamDesc{
				StreamName: string(method.Name()), ServerStreams: true, Handler: s.streamHandler(method),
			})
			continue
		}
		desc.Methods = append(desc.Methods, grpc.MethodDesc{MethodName: string(method.Name()), Handler: s.unaryHandler(method)})
	}
	return desc
}

func (s *services) unaryHandler(method protoreflect.MethodDescriptor) grpc.MethodHandler {
	name := shortName(method)
	handle := func(ctx context.Context, request any) (any, error) {
		s.record(ctx, name, request.(proto.Message))
		if scripted, ok := s.unary[name]; ok {
			return scripted(ctx, request.(proto.Message))
		}
		return newMessage(method.Output()), nil
	}
	return func(_ any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
		request := newMessage(method.Input())
		if err := decode(request); err != nil {
			return nil, err
		}
		full := "/" + string(method.Parent().FullName()) + "/" + string(method.Name())
		return interceptor(ctx, request, &grpc.UnaryServerInfo{Server: s, FullMethod: full}, handle)
	}
}

func (s *services) streamHandler(method protoreflect.MethodDescriptor) grpc.StreamHandler {
	name := shortName(method)
	return func(_ any, stream grpc.ServerStream) error {
		request := newMessage(method.Input())
		if err := stream.RecvMsg(request); err != nil {
			return err
		}
		s.record(stream.Context(), name, request)
		if scripted, ok := s.streams[name]; ok {
			return scripted(request, stream)
		}
		return stream.SendMsg(newMessage(method.Output()))
	}
}

func shortName(method protoreflect.MethodDescriptor) string {
	return string(method.Parent().Name()) + "." + string(method.Name())
}

func newMessage(desc protoreflect.MessageDescriptor) proto.Message {
	found, err := protoregistry.GlobalTypes.FindMessageByName(desc.FullName())
	if err != nil {
		panic(err) // the contracts are linked in
	}
	return found.New().Interface()
}

// operationMethod turns an operationId of the document ("TokenService_GetToken_1") into a method.
func operationMethod(operation string) string {
	parts := strings.SplitN(operation, "_", 3)
	return parts[0] + "." + parts[1]
}
