package rpcserver

import (
	"context"
	"strings"

	"google.golang.org/grpc"
)

// call is what the stages know about the call they are around.
type call struct {
	method    string // full: "/freshet.token.v1.TokenService/GetToken"
	streaming bool
	caller    string // for the log; set once it is known
	internal  bool   // the caller is a service of the suite; set with it
}

// service returns the full name of the called service.
func (c *call) service() string {
	service, _, _ := strings.Cut(strings.TrimPrefix(c.method, "/"), "/")
	return service
}

// standard reports whether the called service is one of gRPC's own, whose
// protocols know nothing of our error details.
func (c *call) standard() bool { return strings.HasPrefix(c.method, "/grpc.") }

// stage is one interceptor, written once for unary and streaming calls. Both
// kinds of chain are made of the same stages, so that no streaming call can
// escape what a unary call has to pass.
type stage struct {
	// around, if set, runs the rest of the call by calling next, at most once.
	around func(ctx context.Context, c *call, next func(context.Context) error) error
	// message, if set, sees each message of the caller before the handler does;
	// an error takes the message's place.
	message func(m any) error
}

// chain is a list of stages, the outermost first.
type chain []stage

// run calls handler inside all stages.
func (ch chain) run(ctx context.Context, c *call, handler func(context.Context) error) error {
	for i, s := range ch {
		if s.around == nil {
			continue
		}
		rest := ch[i+1:]
		return s.around(ctx, c, func(ctx context.Context) error { return rest.run(ctx, c, handler) })
	}
	return handler(ctx)
}

func (ch chain) check(m any) error {
	for _, s := range ch {
		if s.message == nil {
			continue
		}
		if err := s.message(m); err != nil {
			return err
		}
	}
	return nil
}

// unary implements grpc.UnaryServerInterceptor.
func (ch chain) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	var resp any
	err := ch.run(ctx, &call{method: info.FullMethod}, func(ctx context.Context) error {
		if err := ch.check(req); err != nil {
			return err
		}
		var err error
		resp, err = handler(ctx, req)
		return err
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// stream implements grpc.StreamServerInterceptor.
func (ch chain) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	return ch.run(ss.Context(), &call{method: info.FullMethod, streaming: true}, func(ctx context.Context) error {
		return handler(srv, &checkedStream{ServerStream: ss, ctx: ctx, chain: ch})
	})
}

// checkedStream is a stream as the handler sees it: with the context the stages
// made, and with messages they have checked.
type checkedStream struct {
	grpc.ServerStream
	ctx   context.Context
	chain chain
}

// Context implements grpc.ServerStream.
func (s *checkedStream) Context() context.Context { return s.ctx }

// RecvMsg implements grpc.ServerStream. It also returns when the stages have
// ended the context, which the transport knows nothing of; the abandoned receive
// ends with the handler.
func (s *checkedStream) RecvMsg(m any) error {
	received := make(chan error, 1)
	go func() { received <- s.ServerStream.RecvMsg(m) }()
	select {
	case err := <-received:
		if err != nil {
			return err
		}
		return s.chain.check(m)
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}
