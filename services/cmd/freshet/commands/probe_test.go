package commands

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

// LearnProvider tells of a server that is odd in every way.
func (s *scripted) LearnProvider(r *tokenv1.LearnProviderRequest, stream grpc.ServerStreamingServer[tokenv1.LearnProviderResponse]) error {
	s.record(withoutSecrets(r))
	step := &tokenv1.LearningStep{Purpose: "redeem the refresh token"}
	if !r.GetValidateOnly() {
		step.HttpStatus, step.Outcome = 200, "an access token and another refresh token"
	}
	if err := stream.Send(&tokenv1.LearnProviderResponse{Event: &tokenv1.LearnProviderResponse_Step{Step: step}}); err != nil || r.GetValidateOnly() {
		return err
	}
	return stream.Send(&tokenv1.LearnProviderResponse{Event: &tokenv1.LearnProviderResponse_Lesson{Lesson: &tokenv1.Lesson{
		TokenType: "Bearer", Lifetime: durationpb.New(8 * time.Hour), LifetimeUnit: connectionv1.TokenEndpointDialect_MILLISECONDS,
		Rotation: tokenv1.Lesson_ALWAYS, EarlyRefresh: tokenv1.Lesson_SAME_TOKEN, ErrorCodes: map[string]string{"gone": "invalid_grant"},
		Behavior: &connectionv1.ProviderBehavior{
			RotationRecovery: connectionv1.ProviderBehavior_GRACE, RotationGrace: durationpb.New(10 * time.Minute),
			OldAccessToken: connectionv1.ProviderBehavior_LEEWAY, OldAccessTokenLeeway: durationpb.New(90 * time.Second),
		},
		ClientAuthentications: []connectionv1.OAuth2Authorization_ClientAuthentication{
			connectionv1.OAuth2Authorization_CLIENT_SECRET_POST, connectionv1.OAuth2Authorization_CLIENT_SECRET_BASIC,
		},
		RefreshTokenLifetime: durationpb.New(90 * 24 * time.Hour),
		Observations: []*tokenv1.LearningObservation{
			{Subject: "rotation.mode", Text: "two of two", Known: true}, {Subject: "rotation.grace", Text: "it was not watched\nuntil the end"},
		},
	}}})
}
