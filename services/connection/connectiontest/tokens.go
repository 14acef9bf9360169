package connectiontest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
)

// Call is a call that the token service took.
type Call struct {
	Method   string // "Authorize", "Deauthorize" or "Delete"
	Token    string
	UID      string
	Revision int64
}

// TokenService is a server of TokenInternalService, and of TokenRecordService, that obtains no tokens: a test says with Report what becomes of them. Its zero value is
// ready, and reachable.
type TokenService struct {
	tokenv1.UnimplementedTokenInternalServiceServer
	tokenv1.UnimplementedTokenRecordServiceServer

	// Try answers TryAuthorization.
	Try func(context.Context, *tokenv1.TryAuthorizationRequest) (*tokenv1.TryAuthorizationResponse, error)

	mu       sync.Mutex
	down     bool
	delay    time.Duration
	refused  string
	tokens   map[string]*tokenv1.TokenStatus
	calls    []Call
	streams  map[*stream]bool
	lastTime time.Time
	news     chan struct{} // closed and replaced with every change of a token
}

// stream is one WatchTokenStates. It keeps the newest status of each token that the reader has not seen.
type stream struct {
	dirty map[string]*tokenv1.TokenStatus
	wake  chan struct{}
	end   chan struct{}
}

// SetDown makes every call fail with UNAVAILABLE and ends all streams, or undoes that.
func (s *TokenService) SetDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
	if down {
		s.endStreams()
	}
}

// Delay makes every AuthorizeToken and DeauthorizeToken wait before it is taken; 0 undoes that.
func (s *TokenService) Delay(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay = d
}

// wait waits for as long as Delay said.
func (s *TokenService) wait(ctx context.Context) error {
	s.mu.Lock()
	delay := s.delay
	s.mu.Unlock()
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}

// Refuse makes every call about one token fail with INTERNAL.
func (s *TokenService) Refuse(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = token
}

// Interrupt ends all streams.
func (s *TokenService) Interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endStreams()
}

func (s *TokenService) endStreams() {
	for st := range s.streams {
		close(st.end)
	}
	clear(s.streams)
}

// Calls returns the calls taken so far.
func (s *TokenService) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Status returns the status of a token, nil if there is none.
func (s *TokenService) Status(token string) *tokenv1.TokenStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return proto.CloneOf(s.tokens[token])
}

// Await waits until the token service works with the given revision of a token's settings.
func (s *TokenService) Await(t testing.TB, token string, revision int64) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		s.mu.Lock()
		if s.news == nil {
			s.news = make(chan struct{})
		}
		news, reached := s.news, s.tokens[token].GetRevision() == revision
		s.mu.Unlock()
		if reached {
			return
		}
		select {
		case <-news:
		case <-limit:
			require.FailNow(t, "the token service was not told", "of revision %d of %s", revision, token)
		}
	}
}

// Report gives a token a state at the revision that is wanted, and tells the watchers. AUTHORIZED makes a new generation.
func (s *TokenService) Report(token string, state tokenv1.Token_State, reason errorsv1.Reason, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tokens[token]
	if t == nil {
		return
	}
	t.State, t.StateReason, t.StateMessage = state, reason, message
	if state == tokenv1.Token_AUTHORIZED {
		t.Generation++
	}
	s.changed(t)
}

// ReportWanted tells the watchers that the generation of an older revision is in use and how the last attempt for the one that is wanted
// failed (reason 0: none was made).
func (s *TokenService) ReportWanted(token string, older int64, reason errorsv1.Reason, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tokens[token]
	if t == nil {
		return
	}
	shown := proto.CloneOf(t)
	shown.Revision, shown.State, shown.StateReason, shown.StateMessage = older, tokenv1.Token_AUTHORIZED, 0, ""
	shown.WantedRevision, shown.WantedReason, shown.WantedMessage = t.GetRevision(), reason, message
	s.broadcast(shown)
}

// Send tells the watchers whatever a test wants them to hear.
func (s *TokenService) Send(status *tokenv1.TokenStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broadcast(status)
}

// Put stores a token, as if it had been restored from a backup.
func (s *TokenService) Put(status *tokenv1.TokenStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.init()
	s.tokens[status.GetName()] = status
}

// Forget loses every token, as if the database had been lost.
func (s *TokenService) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

func (s *TokenService) init() {
	if s.tokens == nil {
		s.tokens = make(map[string]*tokenv1.TokenStatus)
		s.streams = make(map[*stream]bool)
	}
}

// changed stamps and broadcasts a status. State times grow strictly.
func (s *TokenService) changed(t *tokenv1.TokenStatus) {
	now := time.Now().Truncate(time.Microsecond)
	if !now.After(s.lastTime) {
		now = s.lastTime.Add(time.Microsecond)
	}
	s.lastTime = now
	t.StateTime = timestamppb.New(now)
	s.broadcast(t)
	if s.news != nil {
		close(s.news)
		s.news = nil
	}
}

func (s *TokenService) broadcast(t *tokenv1.TokenStatus) {
	for st := range s.streams {
		st.dirty[t.GetName()] = proto.CloneOf(t)
		select {
		case st.wake <- struct{}{}:
		default:
		}
	}
}

// take records a call, unless the service is down.
func (s *TokenService) take(c Call) error {
	s.init()
	if s.down {
		return status.Error(codes.Unavailable, "down")
	}
	if c.Token == s.refused {
		return status.Error(codes.Internal, "refused")
	}
	s.calls = append(s.calls, c)
	return nil
}

// AuthorizeToken implements tokenv1.TokenInternalServiceServer.
func (s *TokenService) AuthorizeToken(
	ctx context.Context, req *tokenv1.AuthorizeTokenRequest,
) (*tokenv1.AuthorizeTokenResponse, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.take(Call{"Authorize", req.GetName(), req.GetConnectionUid(), req.GetRevision()}); err != nil {
		return nil, err
	}
	t := s.tokens[req.GetName()]
	if t == nil || t.GetConnectionUid() != req.GetConnectionUid() {
		t = &tokenv1.TokenStatus{Name: req.GetName(), ConnectionUid: req.GetConnectionUid()}
		s.tokens[req.GetName()] = t
	}
	if req.GetRevision() > t.GetRevision() {
		t.Revision = req.GetRevision()
		t.State, t.StateReason, t.StateMessage = tokenv1.Token_AUTHORIZING, errorsv1.Reason_TOKEN_NOT_READY, ""
		s.changed(t)
	}
	return &tokenv1.AuthorizeTokenResponse{Status: proto.CloneOf(t)}, nil
}

// DeauthorizeToken implements tokenv1.TokenInternalServiceServer.
func (s *TokenService) DeauthorizeToken(
	ctx context.Context, req *tokenv1.DeauthorizeTokenRequest,
) (*tokenv1.DeauthorizeTokenResponse, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.take(Call{"Deauthorize", req.GetName(), req.GetConnectionUid(), req.GetRevision()}); err != nil {
		return nil, err
	}
	t := s.tokens[req.GetName()]
	if t == nil {
		return nil, rpcerr.New(codes.NotFound, errorsv1.Reason_TOKEN_NOT_FOUND, "there is no token %s", req.GetName())
	}
	if t.GetConnectionUid() == req.GetConnectionUid() && req.GetRevision() > t.GetRevision() {
		t.Revision = req.GetRevision()
		t.State, t.StateReason, t.StateMessage = tokenv1.Token_DEAUTHORIZED, errorsv1.Reason_DEAUTHORIZED, ""
		s.changed(t)
	}
	return &tokenv1.DeauthorizeTokenResponse{Status: proto.CloneOf(t)}, nil
}

// DeleteToken implements tokenv1.TokenInternalServiceServer.
func (s *TokenService) DeleteToken(_ context.Context, req *tokenv1.DeleteTokenRequest) (*tokenv1.DeleteTokenResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.take(Call{Method: "Delete", Token: req.GetName(), UID: req.GetConnectionUid()}); err != nil {
		return nil, err
	}
	if t := s.tokens[req.GetName()]; t != nil && t.GetConnectionUid() == req.GetConnectionUid() {
		delete(s.tokens, req.GetName())
		t.Deleted = true
		s.changed(t)
	}
	return &tokenv1.DeleteTokenResponse{}, nil
}

// TryAuthorization implements tokenv1.TokenInternalServiceServer.
func (s *TokenService) TryAuthorization(
	ctx context.Context, req *tokenv1.TryAuthorizationRequest,
) (*tokenv1.TryAuthorizationResponse, error) {
	if s.Try == nil {
		return nil, status.Error(codes.Unavailable, "down")
	}
	return s.Try(ctx, req)
}

// WatchTokenStates implements tokenv1.TokenInternalServiceServer.
func (s *TokenService) WatchTokenStates(
	_ *tokenv1.WatchTokenStatesRequest, out grpc.ServerStreamingServer[tokenv1.WatchTokenStatesResponse],
) error {
	st, err := s.subscribe()
	if err != nil {
		return err
	}
	defer s.unsubscribe(st)
	for synced := false; ; synced = true {
		for _, t := range s.drain(st) {
			event := &tokenv1.WatchTokenStatesResponse_Status{Status: t}
			if err := out.Send(&tokenv1.WatchTokenStatesResponse{Event: event}); err != nil {
				return err
			}
		}
		message := &tokenv1.WatchTokenStatesResponse{Event: &tokenv1.WatchTokenStatesResponse_Heartbeat{}}
		if !synced {
			message.Event = &tokenv1.WatchTokenStatesResponse_Synced{Synced: &tokenv1.WatchTokenStatesSynced{}}
		}
		if err := out.Send(message); err != nil {
			return err
		}
		select {
		case <-st.wake:
		case <-st.end:
			return status.Error(codes.Unavailable, "down")
		case <-out.Context().Done():
			return out.Context().Err()
		}
	}
}

func (s *TokenService) subscribe() (*stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.init()
	if s.down {
		return nil, status.Error(codes.Unavailable, "down")
	}
	st := &stream{dirty: make(map[string]*tokenv1.TokenStatus), wake: make(chan struct{}, 1), end: make(chan struct{})}
	for name, t := range s.tokens {
		st.dirty[name] = proto.CloneOf(t)
	}
	s.streams[st] = true
	return st, nil
}

func (s *TokenService) unsubscribe(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.streams, st)
}

func (s *TokenService) drain(st *stream) []*tokenv1.TokenStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*tokenv1.TokenStatus
	for _, t := range st.dirty {
		list = append(list, t)
	}
	clear(st.dirty)
	return list
}
