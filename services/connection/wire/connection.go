package wire

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/connection"
)

// FromConnection returns the message of a connection. Secrets are left out, whether or not c has them.
func FromConnection(c connection.Connection) *connectionv1.Connection {
	settings := c.Settings.WithoutSecrets()
	m := &connectionv1.Connection{
		Name:                 c.Name.String(),
		Uid:                  c.UID,
		Description:          c.Description,
		InvocationParameters: fromParameters(settings.Invocation),
		ApiBaseUrl:           settings.APIBaseURL,
		ProxySettings:        fromProxy(settings.Proxy),
		Connect:              fromConnect(settings.Connect),
		State:                FromState(c.State),
		StateReason:          FromReason(c.Reason),
		StateMessage:         c.StateMessage(),
		CreateTime:           timestamp(c.CreateTime),
		UpdateTime:           timestamp(c.UpdateTime),
		StateTime:            timestamp(c.StateTime),
		AuthorizeTime:        timestamp(c.AuthorizeTime),
		GrantExpireTime:      timestamp(c.GrantExpireTime),
	}
	if c.UID != "" {
		m.Etag = c.ETag()
	}
	switch settings.Kind {
	case connection.KindOAuth2:
		m.Authorization = &connectionv1.Connection_Oauth2{Oauth2: fromOAuth2(settings.OAuth2)}
	case connection.KindAPIKey:
		m.Authorization = &connectionv1.Connection_ApiKey{ApiKey: fromAPIKey(settings.APIKey)}
	case connection.KindBasic:
		m.Authorization = &connectionv1.Connection_Basic{Basic: fromBasic(settings.Basic)}
	case connection.KindOAuth1:
		m.Authorization = &connectionv1.Connection_Oauth1{Oauth1: fromOAuth1(settings.OAuth1)}
	}
	return m
}

// FromSettings returns the message with which the token service obtains a credential. It holds the secrets that c has.
func FromSettings(c connection.Connection) *connectionv1.AuthorizationSettings {
	m := &connectionv1.AuthorizationSettings{
		Name:                 c.Name.String(),
		Uid:                  c.UID,
		Revision:             c.Revision,
		InvocationParameters: fromParameters(c.Settings.Invocation),
	}
	switch c.Settings.Kind {
	case connection.KindOAuth2:
		m.Authorization = &connectionv1.AuthorizationSettings_Oauth2{Oauth2: fromOAuth2(c.Settings.OAuth2)}
	case connection.KindAPIKey:
		m.Authorization = &connectionv1.AuthorizationSettings_ApiKey{ApiKey: fromAPIKey(c.Settings.APIKey)}
	case connection.KindBasic:
		m.Authorization = &connectionv1.AuthorizationSettings_Basic{Basic: fromBasic(c.Settings.Basic)}
	case connection.KindOAuth1:
		m.Authorization = &connectionv1.AuthorizationSettings_Oauth1{Oauth1: fromOAuth1(c.Settings.OAuth1)}
	}
	return m
}

// FromState returns the contract's value for a state, and STATE_UNSPECIFIED for the empty one.
func FromState(s connection.State) connectionv1.Connection_State {
	return connectionv1.Connection_State(connectionv1.Connection_State_value[string(s)])
}

// ToState is the inverse of FromState.
func ToState(s connectionv1.Connection_State) connection.State {
	if s == connectionv1.Connection_STATE_UNSPECIFIED {
		return ""
	}
	return connection.State(s.String())
}

// FromReason returns the contract's value for a reason, and REASON_UNSPECIFIED for the empty one.
func FromReason(r connection.Reason) errorsv1.Reason {
	return errorsv1.Reason(errorsv1.Reason_value[string(r)])
}

// ToReason is the inverse of FromReason. A reason newer than this build becomes the empty one: its number means nothing to anybody.
func ToReason(r errorsv1.Reason) connection.Reason {
	name, known := errorsv1.Reason_name[int32(r)]
	if !known || r == errorsv1.Reason_REASON_UNSPECIFIED {
		return ""
	}
	return connection.Reason(name)
}

func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// duration leaves out zero: not set.
func duration(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}
