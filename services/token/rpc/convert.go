package rpc

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/token"
)

// tokenProto converts a token that was revealed at the given time.
func tokenProto(t *token.Token, now time.Time) *tokenv1.Token {
	out := &tokenv1.Token{
		Name:            t.Key.Name(),
		Generation:      t.Generation,
		State:           state(t.State),
		StateReason:     reason(t.Reason),
		StateMessage:    t.Message,
		AccessToken:     t.Credential.AccessToken.Reveal(),
		TokenType:       t.TokenType,
		Scopes:          t.Scopes,
		IssueTime:       timestamp(t.IssueTime),
		ExpireTime:      timestamp(t.ExpireTime),
		ExpirySource:    tokenv1.Token_ExpirySource(tokenv1.Token_ExpirySource_value[string(t.ExpirySource)]),
		NextRefreshTime: timestamp(t.NextAttempt()),
		GrantExpireTime: timestamp(t.GrantExpireTime),
		RefreshHealth:   health(t, now),
		Credential:      credential(t.Credential.HTTP),
		Fingerprint:     t.Fingerprint,
		Traceparent:     t.Traceparent,
		DpopDeclined:    t.BindingDeclined(),
	}
	if thumbprint, bound := t.Bound(); bound {
		out.Dpop = &tokenv1.DpopBinding{JwkThumbprint: thumbprint}
	}
	if signs := t.Credential.OAuth1; !signs.IsZero() {
		out.Oauth1 = &tokenv1.Oauth1Signing{SignatureMethod: string(signs.Method)}
	}
	if t.HoldUntil.After(now) {
		out.HoldUntil = timestamp(t.HoldUntil)
	}
	return out
}

func state(s token.State) tokenv1.Token_State {
	return tokenv1.Token_State(tokenv1.Token_State_value[string(s)])
}

func class(c token.Class) tokenv1.FailureClass {
	return tokenv1.FailureClass(tokenv1.FailureClass_value[string(c)])
}

func health(t *token.Token, now time.Time) *tokenv1.RefreshHealth {
	h := &tokenv1.RefreshHealth{
		Status:              tokenv1.RefreshHealth_Status(tokenv1.RefreshHealth_Status_value[string(t.Health(now))]),
		ConsecutiveFailures: int32(min(t.Failures, 1<<30)),
		LastSuccessTime:     timestamp(t.LastSuccess),
		GrantExpiring:       t.GrantExpiring(now),
	}
	if f := t.LastFailure; f != nil {
		h.LastFailureTime = timestamp(f.Time)
		h.LastFailureClass, h.LastFailureMessage = class(f.Class), f.Message
		h.NextAttemptTime = timestamp(t.AttemptAt)
	}
	return h
}

func credential(f token.Fields) *tokenv1.HttpCredential {
	if len(f.Headers)+len(f.Query)+len(f.Body) == 0 {
		return nil
	}
	return &tokenv1.HttpCredential{Headers: fields(f.Headers), Query: fields(f.Query), Body: fields(f.Body)}
}

func fields(list []token.Field) []*tokenv1.HttpCredentialField {
	out := make([]*tokenv1.HttpCredentialField, len(list))
	for i, f := range list {
		out[i] = &tokenv1.HttpCredentialField{Key: f.Key, Value: f.Value.Reveal()}
	}
	return out
}

// statusProto converts a token as it is seen by those who may not see its secrets.
func statusProto(t *token.Token) *tokenv1.TokenStatus {
	out := &tokenv1.TokenStatus{
		Name:          t.Key.Name(),
		ConnectionUid: t.ConnectionUID,
		Revision:      t.StatusRevision(),
		State:         state(t.State),
		StateReason:   reason(t.Reason),
		StateMessage:  t.Message,
		StateTime:     timestamp(t.StateTime),
		Generation:    t.Generation,

		GrantExpireTime: timestamp(t.GrantExpireTime),
	}
	if out.WantedRevision = t.WantedRevision(); out.WantedRevision != 0 && t.LastFailure != nil {
		out.WantedReason, out.WantedMessage = reason(t.LastFailure.Reason), t.LastFailure.Message
	}
	return out
}

func rotationProto(r *token.Rotation) *tokenv1.Rotation {
	out := &tokenv1.Rotation{
		Name:           r.Key.RotationName(r.ID),
		Generation:     r.Generation,
		State:          tokenv1.Rotation_State(tokenv1.Rotation_State_value[string(r.State)]),
		Trigger:        tokenv1.Rotation_Trigger(tokenv1.Rotation_Trigger_value[string(r.Trigger)]),
		StartTime:      timestamp(r.StartTime),
		EndTime:        timestamp(r.EndTime),
		FailureClass:   class(r.FailureClass),
		FailureMessage: r.FailureMessage,
		HttpStatus:     int32(r.HTTPStatus),
		TraceId:        r.TraceID,
		DpopChallenges: int32(min(r.Challenges, 1<<30)),
	}
	if r.HasLead {
		out.LeadTime = durationpb.New(r.Lead)
	}
	return out
}

// trialProto converts a trial. The lifetime is what the token has, not what is left of it.
func trialProto(t *token.Trial) *tokenv1.TryAuthorizationResponse {
	out := &tokenv1.TryAuthorizationResponse{
		Sent: t.Sent, HttpStatus: int32(t.HTTPStatus), Duration: durationpb.New(t.Duration),
	}
	if f := t.Failure; f != nil {
		out.FailureClass, out.Reason, out.Message = class(f.Class), reason(f.Reason), f.Message
		return out
	}
	out.Message = "the authorization server issued a token"
	out.TokenType, out.Scopes = t.Issued.TokenType, t.Issued.Scopes
	out.Lifetime = durationpb.New(t.Issued.ExpireTime.Sub(t.Issued.IssueTime))
	out.ExpirySource = tokenv1.Token_ExpirySource(tokenv1.Token_ExpirySource_value[string(t.Issued.ExpirySource)])
	return out
}

func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
