package tokensource

import (
	"time"

	"google.golang.org/protobuf/proto"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

// streamHealth is what is known about the stream.
type streamHealth struct {
	connected       bool
	lastMessageTime time.Time
	lastError       error
	lastErrorTime   time.Time
}

// Health says how the watch and the refreshing of the token go.
type Health struct {
	// Connected tells that a message has arrived on the present stream.
	Connected bool
	// LastMessageTime is when a message last arrived, heartbeats included.
	LastMessageTime time.Time
	// LastError is the last failure of a stream, also after a new stream is
	// up; nil if there was none.
	LastError error
	// LastErrorTime is when LastError happened.
	LastErrorTime time.Time
	// State is the token's state as last received.
	State tokenv1.Token_State
	// Refresh is how the token service gets along with the authorization
	// server, as last received; nil before the first refresh.
	Refresh *tokenv1.RefreshHealth
}

// Health returns how the watch and the refreshing go.
func (s *Source) Health() Health {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return Health{
		Connected:       s.health.connected,
		LastMessageTime: s.health.lastMessageTime,
		LastError:       s.health.lastError,
		LastErrorTime:   s.health.lastErrorTime,
		State:           s.token.GetState(),
		Refresh:         proto.CloneOf(s.token.GetRefreshHealth()),
	}
}
