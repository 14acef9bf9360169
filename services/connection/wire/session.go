package wire

import (
	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/connection/connect"
)

// FromSession returns the message of a session, without its link.
func FromSession(s connect.Session) *connectionv1.AuthorizationSession {
	m := &connectionv1.AuthorizationSession{
		Name: s.Name.String(), Grant: s.Grant.String(), EndUserId: s.Request.EndUser,
		State: connectionv1.AuthorizationSession_WAITING, CreateTime: timestamp(s.CreateTime), ExpireTime: timestamp(s.ExpireTime),
		EndTime: timestamp(s.EndTime),
	}
	if s.State.Ended() {
		m.State = value[connectionv1.AuthorizationSession_State](s.State)
		m.StateReason, m.StateMessage = FromReason(s.Reason), s.Message
	}
	return m
}

// FromView returns the message of what a browser is shown.
func FromView(v connect.View) *connectionv1.ConnectView {
	m := &connectionv1.ConnectView{
		Kind: value[connectionv1.ConnectView_Kind](v.Kind), Url: v.URL, ApplicationName: v.ApplicationName,
		ConnectionDescription: v.ConnectionDescription, ProviderName: v.ProviderName, SkipPage: v.SkipPage, Reason: FromReason(v.Reason),
	}
	for _, scope := range v.Scopes {
		m.Scopes = append(m.Scopes, &connectionv1.ConnectView_Scope{Name: scope.Name, Description: scope.Text})
	}
	return m
}
