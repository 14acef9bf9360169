package rpc

import (
	"time"

	"google.golang.org/protobuf/proto"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/token"
)

// viewFor is how long a view is shown: what it says of the present moment, such as the health, is at most so old. An expired
// credential is never shown.
const viewFor = time.Second

// view is an update as it is shown to all who watch. It does not change.
type view struct {
	shown *token.Token
	token *tokenv1.Token // of it nothing can be read, it can only be sent: see wired
	made  time.Time
	valid bool
}

// view returns the update as it may be shown now: converted and encoded once for all who receive it at about the same time.
func (e *edge) view(u *token.Update) (*view, error) {
	now := e.svc.Now()
	valid := u.Token.ValidAt(now)
	if v, ok := u.View.Load().(*view); ok && v.valid == valid && !now.Before(v.made) && now.Sub(v.made) < viewFor {
		return v, nil
	}
	shown := u.Token.Revealed(now)
	encoded, err := wired(tokenProto(&shown, now))
	if err != nil {
		return nil, err
	}
	v := &view{shown: &shown, token: encoded, made: now, valid: valid}
	u.View.Store(v)
	return v, nil
}

// wired returns a message that is t to whoever receives it, and quick to send: it holds t in wire form as fields that are not
// looked at (https://protobuf.dev/programming-guides/proto3/#unknowns). Unlike grpc.PreparedMsg it suits every stream, whatever
// its compression.
func wired(t *tokenv1.Token) (*tokenv1.Token, error) {
	encoded, err := proto.Marshal(t)
	if err != nil {
		return nil, err
	}
	out := &tokenv1.Token{}
	out.ProtoReflect().SetUnknown(encoded)
	return out, nil
}

// present converts a token as it may be shown now.
func (e *edge) present(t *token.Token) *tokenv1.Token {
	now := e.svc.Now()
	shown := t.Revealed(now)
	return tokenProto(&shown, now)
}
