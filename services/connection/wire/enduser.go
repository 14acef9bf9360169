package wire

import (
	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/internal/seal"
)

// FromGrant returns the message of a grant. Its credential is left out, whether or not g has it.
func FromGrant(g connection.Grant) *connectionv1.Grant {
	m := &connectionv1.Grant{
		Name:            g.Name.String(),
		Uid:             g.UID,
		EndUserId:       g.EndUser,
		Metadata:        g.Metadata,
		State:           FromState(g.State),
		StateReason:     FromReason(g.Reason),
		StateMessage:    g.Message,
		CreateTime:      timestamp(g.CreateTime),
		UpdateTime:      timestamp(g.UpdateTime),
		StateTime:       timestamp(g.StateTime),
		AuthorizeTime:   timestamp(g.AuthorizeTime),
		GrantExpireTime: timestamp(g.ExpireTime),
		Account:         g.Account,
	}
	if g.UID != "" {
		m.Etag = g.ETag()
	}
	return m
}

// ToCredential returns what a message imports.
func ToCredential(m *connectionv1.GrantCredential) connection.GrantCredential {
	c := connection.GrantCredential{
		RefreshToken: seal.NewSecret(m.GetRefreshToken()), AccessToken: seal.NewSecret(m.GetAccessToken()),
		TokenType: m.GetTokenType(), Scopes: m.GetScopes(),
	}
	if t := m.GetAccessTokenExpireTime(); t != nil {
		c.ExpireTime = t.AsTime()
	}
	return c
}

// FromGrantSettings returns the message with which the token service obtains a grant's credential, secrets included.
func FromGrantSettings(g connection.Grant, settings connection.Settings, captures []connection.AnswerCapture) *connectionv1.AuthorizationSettings {
	m := FromSettings(connection.Connection{Name: g.Name.Connection, UID: g.UID, Revision: g.Revision, Settings: settings})
	m.Name = g.Name.String()
	for _, capture := range captures {
		m.AnswerCaptures = append(m.AnswerCaptures, &connectionv1.AnswerCapture{Name: capture.Name, Path: capture.Path})
	}
	m.Nonce = g.Credential.Nonce.Reveal()
	if c := g.Credential; !c.AccessToken.IsZero() {
		m.ImportedToken = &connectionv1.ImportedToken{
			AccessToken: c.AccessToken.Reveal(), TokenType: c.TokenType, ExpireTime: timestamp(c.ExpireTime), Scopes: c.Scopes,
		}
	}
	return m
}
