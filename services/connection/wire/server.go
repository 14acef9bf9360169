package wire

import (
	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	"github.com/freshet-io/freshet/services/connection"
)

func toDialect(m *connectionv1.TokenEndpointDialect) connection.Dialect {
	return connection.Dialect{
		Method:               name(m.GetMethod()),
		Encoding:             name(m.GetEncoding()),
		RefreshEndpoint:      m.GetRefreshEndpoint(),
		ScopeSeparator:       m.GetScopeSeparator(),
		FieldNames:           m.GetFieldNames(),
		AccessTokenPath:      m.GetAccessTokenPath(),
		RefreshTokenPath:     m.GetRefreshTokenPath(),
		ExpiresInPath:        m.GetExpiresInPath(),
		ExpiresInUnit:        name(m.GetExpiresInUnit()),
		ExpiresAtPath:        m.GetExpiresAtPath(),
		ScopePath:            m.GetScopePath(),
		RefreshExpiresInPath: m.GetRefreshTokenExpiresInPath(),
		ErrorPath:            m.GetErrorPath(),
		ErrorCodes:           m.GetErrorCodes(),
		AuthorizationScheme:  m.GetAuthorizationScheme(),
		AccessTokenHeader:    m.GetAccessTokenHeader(),
		RefreshGrantType:     m.GetRefreshGrantType(),
		RefreshMethod:        name(m.GetRefreshMethod()),
	}
}

func fromDialect(d connection.Dialect) *connectionv1.TokenEndpointDialect {
	return unlessEmpty(&connectionv1.TokenEndpointDialect{
		Method:                    value[connectionv1.TokenEndpointDialect_Method](d.Method),
		Encoding:                  value[connectionv1.TokenEndpointDialect_Encoding](d.Encoding),
		RefreshEndpoint:           d.RefreshEndpoint,
		ScopeSeparator:            d.ScopeSeparator,
		FieldNames:                d.FieldNames,
		AccessTokenPath:           d.AccessTokenPath,
		RefreshTokenPath:          d.RefreshTokenPath,
		ExpiresInPath:             d.ExpiresInPath,
		ExpiresInUnit:             value[connectionv1.TokenEndpointDialect_LifetimeUnit](d.ExpiresInUnit),
		ExpiresAtPath:             d.ExpiresAtPath,
		ScopePath:                 d.ScopePath,
		RefreshTokenExpiresInPath: d.RefreshExpiresInPath,
		ErrorPath:                 d.ErrorPath,
		ErrorCodes:                d.ErrorCodes,
		AuthorizationScheme:       d.AuthorizationScheme,
		AccessTokenHeader:         d.AccessTokenHeader,
		RefreshGrantType:          d.RefreshGrantType,
		RefreshMethod:             value[connectionv1.TokenEndpointDialect_Method](d.RefreshMethod),
	})
}

func toProvider(m *connectionv1.ProviderBehavior) connection.Provider {
	return connection.Provider{
		Recovery:             connection.RotationRecovery(name(m.GetRotationRecovery())),
		RotationGrace:        m.GetRotationGrace().AsDuration(),
		OldAccessToken:       connection.OldAccessToken(name(m.GetOldAccessToken())),
		OldAccessTokenLeeway: m.GetOldAccessTokenLeeway().AsDuration(),
		NotBefore:            m.GetRefreshNotBefore().AsDuration(),
		MintLimit:            m.GetMintLimit(),
		MintPeriod:           m.GetMintPeriod().AsDuration(),
		IdleLifetime:         m.GetRefreshTokenIdleLifetime().AsDuration(),
		GrantLifetime:        m.GetGrantLifetime().AsDuration(),
		RevocationEndpoint:   m.GetRevocationEndpoint(),
	}
}

func fromProvider(p connection.Provider) *connectionv1.ProviderBehavior {
	return unlessEmpty(&connectionv1.ProviderBehavior{
		RotationRecovery:         value[connectionv1.ProviderBehavior_RotationRecovery](p.Recovery),
		RotationGrace:            duration(p.RotationGrace),
		OldAccessToken:           value[connectionv1.ProviderBehavior_OldAccessToken](p.OldAccessToken),
		OldAccessTokenLeeway:     duration(p.OldAccessTokenLeeway),
		RefreshNotBefore:         duration(p.NotBefore),
		MintLimit:                p.MintLimit,
		MintPeriod:               duration(p.MintPeriod),
		RefreshTokenIdleLifetime: duration(p.IdleLifetime),
		GrantLifetime:            duration(p.GrantLifetime),
		RevocationEndpoint:       p.RevocationEndpoint,
	})
}

func toRefreshPolicy(m *connectionv1.RefreshPolicy) connection.RefreshPolicy {
	return connection.RefreshPolicy{
		RefreshBefore:    m.GetRefreshBefore().AsDuration(),
		DefaultLifetime:  m.GetDefaultLifetime().AsDuration(),
		Mode:             name(m.GetMode()),
		KeepAlive:        m.GetKeepAlive().AsDuration(),
		RevokeSuperseded: m.GetRevokeSuperseded(),
		GrantWarning:     m.GetGrantWarning().AsDuration(),
	}
}

func fromRefreshPolicy(p connection.RefreshPolicy) *connectionv1.RefreshPolicy {
	return unlessEmpty(&connectionv1.RefreshPolicy{
		RefreshBefore:    duration(p.RefreshBefore),
		DefaultLifetime:  duration(p.DefaultLifetime),
		Mode:             value[connectionv1.RefreshPolicy_Mode](p.Mode),
		KeepAlive:        duration(p.KeepAlive),
		RevokeSuperseded: p.RevokeSuperseded,
		GrantWarning:     duration(p.GrantWarning),
	})
}
