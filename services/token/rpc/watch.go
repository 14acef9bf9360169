package rpc

import (
	"context"
	"time"

	"google.golang.org/grpc"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/token"
)

// present converts a token as it may be shown now.
func (e *edge) present(t *token.Token) *tokenv1.Token {
	now := e.svc.Now()
	shown := t.Revealed(now)
	return tokenProto(&shown, now)
}

// WatchToken implements TokenService.
func (p *public) WatchToken(in *tokenv1.WatchTokenRequest, stream grpc.ServerStreamingServer[tokenv1.WatchTokenResponse]) error {
	ctx := stream.Context()
	key, err := token.ParseName(in.GetName())
	if err != nil {
		return p.fail(ctx, key, err)
	}
	watcher := p.svc.Watch(ctx)
	defer watcher.Close(ctx)
	if err := watcher.Add(ctx, key); err != nil {
		return p.fail(ctx, key, err)
	}
	heartbeat := defaultHeartbeat
	if d := in.GetHeartbeatInterval(); d != nil {
		heartbeat = d.AsDuration()
	}
	return p.fail(ctx, key, p.stream(ctx, watcher, heartbeat, stream))
}

// stream sends what the watcher of one token receives, until the token or the stream ends.
func (p *public) stream(ctx context.Context, watcher *token.Watcher, heartbeat time.Duration, stream grpc.ServerStreamingServer[tokenv1.WatchTokenResponse]) error {
	var last *token.Token
	send := func(beat bool) error {
		shown := last.Revealed(p.svc.Now())
		err := stream.Send(&tokenv1.WatchTokenResponse{Token: p.present(last), Heartbeat: beat})
		if err == nil {
			watcher.Acknowledge(last.Key, last.Generation) // this stream has no way to say so
			p.svc.Served(ctx, &shown)
		}
		return err
	}
	timer := time.NewTimer(heartbeat)
	defer timer.Stop()
	for {
		select {
		case <-watcher.Wake():
			for _, update := range watcher.Take() {
				if update.Deleted || last != nil && last.ConnectionUID != update.Token.ConnectionUID {
					return token.ErrNotFound // to those who watch, also another connection of this name
				}
				last = &update.Token
				if err := send(false); err != nil {
					return err
				}
			}
		case <-timer.C:
			if err := send(true); err != nil {
				return err
			}
		case <-p.draining:
			return token.ErrShuttingDown
		case <-ctx.Done():
			return ctx.Err()
		}
		timer.Reset(heartbeat)
	}
}
