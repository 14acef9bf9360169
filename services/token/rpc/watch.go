package rpc

import (
	"context"
	"time"

	"google.golang.org/grpc"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/token"
)

// WatchToken implements TokenService.
func (p *public) WatchToken(in *tokenv1.WatchTokenRequest, stream grpc.ServerStreamingServer[tokenv1.WatchTokenResponse]) error {
	ctx := stream.Context()
	o := &one{public: p, stream: stream, heartbeat: defaultHeartbeat}
	err := o.open(ctx, in)
	if err == nil {
		defer o.watcher.Close(ctx)
		err = o.run(ctx)
	}
	return p.fail(ctx, o.key, err)
}

// one is a WatchToken stream.
type one struct {
	*public
	stream    grpc.ServerStreamingServer[tokenv1.WatchTokenResponse]
	key       token.Key
	watcher   *token.Watcher
	heartbeat time.Duration
	last      *token.Update
}

// open begins to watch. If it fails, there is nothing to close.
func (o *one) open(ctx context.Context, in *tokenv1.WatchTokenRequest) error {
	var err error
	if o.key, err = token.ParseName(in.GetName()); err != nil {
		return err
	}
	if d := in.GetHeartbeatInterval(); d != nil {
		o.heartbeat = d.AsDuration()
	}
	o.watcher = o.svc.Watch(ctx)
	if err = o.watcher.Add(ctx, o.key); err != nil {
		o.watcher.Close(ctx)
	}
	return err
}

// run sends what the watcher receives, until the token or the stream ends.
func (o *one) run(ctx context.Context) error {
	timer := time.NewTimer(o.heartbeat)
	defer timer.Stop()
	for {
		var err error
		select {
		case <-o.watcher.Wake():
			err = o.sendNews(ctx)
		case <-timer.C:
			err = o.send(ctx, true)
		case <-o.draining:
			err = token.ErrShuttingDown
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		timer.Reset(o.heartbeat)
	}
}

// sendNews sends what is pending.
func (o *one) sendNews(ctx context.Context) error {
	for _, update := range o.watcher.Take() {
		if update.Deleted || o.last != nil && o.last.Token.ConnectionUID != update.Token.ConnectionUID {
			return token.ErrNotFound // to those who watch, also another connection of this name
		}
		o.last = update
		if err := o.send(ctx, false); err != nil {
			return err
		}
	}
	return nil
}

// send sends the last state.
func (o *one) send(ctx context.Context, beat bool) error {
	v, err := o.view(o.last)
	if err != nil {
		return err
	}
	if err := o.stream.Send(&tokenv1.WatchTokenResponse{Token: v.token, Heartbeat: beat}); err != nil {
		return err
	}
	o.watcher.Acknowledge(o.last.Token.Key, o.last.Token.Generation) // this stream has no way to say so
	o.svc.Served(ctx, v.shown)
	return nil
}
