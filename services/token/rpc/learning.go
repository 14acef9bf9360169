package rpc

import (
	"context"
	"errors"
	"log/slog"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
	"github.com/freshet-io/freshet/services/token"
	"github.com/freshet-io/freshet/services/token/learn"
	"github.com/freshet-io/freshet/services/token/settings"
)

// RegisterLearning adds LearningService to a server. Its streams end when draining is closed.
func RegisterLearning(r grpc.ServiceRegistrar, learner *learn.Learner, draining <-chan struct{}, log *slog.Logger) {
	tokenv1.RegisterLearningServiceServer(r, &learning{learner: learner, edge: &edge{log: log, draining: draining}})
}

// learning implements LearningService.
type learning struct {
	tokenv1.UnimplementedLearningServiceServer
	learner *learn.Learner
	*edge
}

// LearnProvider implements LearningService.
func (l *learning) LearnProvider(in *tokenv1.LearnProviderRequest, stream grpc.ServerStreamingServer[tokenv1.LearnProviderResponse]) error {
	subject, err := toSubject(in)
	if err != nil {
		return err
	}
	if err := l.learner.Check(subject); err != nil {
		return l.failLearning(stream.Context(), err)
	}
	tell := func(step learn.Step) error {
		return stream.Send(&tokenv1.LearnProviderResponse{Event: &tokenv1.LearnProviderResponse_Step{Step: &tokenv1.LearningStep{
			Purpose: step.Purpose, HttpStatus: int32(step.HTTPStatus), Outcome: step.Outcome,
		}}})
	}
	if in.GetValidateOnly() {
		for _, purpose := range learn.Plan(subject) {
			if err := tell(learn.Step{Purpose: purpose}); err != nil {
				return err
			}
		}
		return nil
	}
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	go func() {
		select {
		case <-l.draining:
			cancel(token.ErrShuttingDown)
		case <-ctx.Done():
		}
	}()
	lesson, err := l.learner.Learn(ctx, subject, tell)
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, token.ErrShuttingDown) {
			err = cause
		}
		return l.failLearning(stream.Context(), err)
	}
	return stream.Send(&tokenv1.LearnProviderResponse{Event: &tokenv1.LearnProviderResponse_Lesson{Lesson: lessonProto(&lesson)}})
}

func toSubject(in *tokenv1.LearnProviderRequest) (learn.Subject, error) {
	s, err := settings.FromProto(&connectionv1.AuthorizationSettings{
		Authorization: &connectionv1.AuthorizationSettings_Oauth2{Oauth2: in.GetOauth2()},
	})
	if failure, ok := errors.AsType[*token.Failure](err); ok {
		return learn.Subject{}, rpcerr.Invalid(rpcerr.Violation{Field: "oauth2", Description: failure.Message})
	}
	if err != nil {
		return learn.Subject{}, err
	}
	switch {
	case s.OAuth2.Grant != token.KindRefreshToken:
		return learn.Subject{}, rpcerr.Invalid(rpcerr.Violation{Field: "oauth2.grant_type", Description: "must be REFRESH_TOKEN"})
	case s.OAuth2.RefreshToken.IsZero():
		return learn.Subject{}, rpcerr.Invalid(rpcerr.Violation{Field: "oauth2.refresh_token", Description: "is required: a grant that is used up"})
	case s.OAuth2.DPoP != "":
		return learn.Subject{}, rpcerr.Invalid(rpcerr.Violation{Field: "oauth2.dpop", Description: "must be empty: bound tokens cannot be learnt from"})
	case s.OAuth2.ClientAuthentication == "":
		s.OAuth2.ClientAuthentication = token.ClientSecretBasic
	}
	return learn.Subject{Settings: s.OAuth2, ResourceURL: in.GetResourceUrl(), Watch: in.GetWatch().AsDuration()}, nil
}

func (l *learning) failLearning(ctx context.Context, err error) error {
	if refused, ok := errors.AsType[*learn.URLError](err); ok {
		return rpcerr.InvalidReason(errorsv1.Reason_EGRESS_DENIED, rpcerr.Violation{Field: refused.Field, Description: refused.Err.Error()})
	}
	return l.fail(ctx, token.Key{}, err)
}

func lessonProto(l *learn.Lesson) *tokenv1.Lesson {
	m := &tokenv1.Lesson{
		TokenType:    l.TokenType,
		LifetimeUnit: connectionv1.TokenEndpointDialect_LifetimeUnit(connectionv1.TokenEndpointDialect_LifetimeUnit_value[l.LifetimeUnit]),
		Rotation:     tokenv1.Lesson_Rotation(tokenv1.Lesson_Rotation_value[string(l.Rotation)]),
		EarlyRefresh: tokenv1.Lesson_EarlyRefresh(tokenv1.Lesson_EarlyRefresh_value[string(l.Early)]),
		ErrorCodes:   l.ErrorCodes,
		Behavior: &connectionv1.ProviderBehavior{
			RotationRecovery: connectionv1.ProviderBehavior_RotationRecovery(connectionv1.ProviderBehavior_RotationRecovery_value[string(l.Recovery)]),
			OldAccessToken:   connectionv1.ProviderBehavior_OldAccessToken(connectionv1.ProviderBehavior_OldAccessToken_value[string(l.OldToken)]),
		},
	}
	if l.Lifetime > 0 {
		m.Lifetime = durationpb.New(l.Lifetime)
	}
	if l.RefreshLifetime > 0 {
		m.RefreshTokenLifetime = durationpb.New(l.RefreshLifetime)
	}
	if l.Grace > 0 {
		m.Behavior.RotationGrace = durationpb.New(l.Grace)
	}
	if l.Leeway > 0 {
		m.Behavior.OldAccessTokenLeeway = durationpb.New(l.Leeway)
	}
	for _, way := range l.Authentications {
		m.ClientAuthentications = append(m.ClientAuthentications,
			connectionv1.OAuth2Authorization_ClientAuthentication(connectionv1.OAuth2Authorization_ClientAuthentication_value[string(way)]))
	}
	for _, o := range l.Observations {
		m.Observations = append(m.Observations, &tokenv1.LearningObservation{Subject: o.Subject, Text: o.Text, Known: o.Known})
	}
	return m
}
