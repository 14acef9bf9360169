package connection_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/freshet-io/freshet/services/connection"
	"github.com/freshet-io/freshet/services/connection/connectiontest"
	"github.com/freshet-io/freshet/services/internal/seal"
)

func parameter(key, value string) connection.Parameter {
	return connection.Parameter{Key: key, Value: seal.NewSecret(value)}
}

func secretParameter(key, value string) connection.Parameter {
	return connection.Parameter{Key: key, Value: seal.NewSecret(value), Secret: true}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	apiKey := connection.Settings{Kind: connection.KindAPIKey, APIKey: connection.APIKey{Name: "x-api-key", Value: seal.NewSecret("k")}}
	for name, tc := range map[string]struct {
		of    connection.Settings
		edit  func(*connection.Settings)
		field string // "": valid
		says  string
	}{
		"valid":              {of: oauth2(), edit: func(*connection.Settings) {}},
		"no client secret":   {of: oauth2(), edit: func(s *connection.Settings) { s.OAuth2.ClientSecret = seal.Secret{} }, field: "oauth2.client_secret", says: "required"},
		"no key":             {of: apiKey, edit: func(s *connection.Settings) { s.APIKey.Value = seal.Secret{} }, field: "api_key.value", says: "required"},
		"no consumer secret": {of: connection.Settings{Kind: connection.KindOAuth1}, edit: func(*connection.Settings) {}, field: "oauth1.consumer_secret", says: "required"},
		"no token secret": {
			of:   connection.Settings{Kind: connection.KindOAuth1, OAuth1: connection.OAuth1{ConsumerSecret: seal.NewSecret("s"), Token: "t"}},
			edit: func(*connection.Settings) {}, field: "oauth1.token_secret", says: "required",
		},
		"token secret without a token": {
			of:   connection.Settings{Kind: connection.KindOAuth1, OAuth1: connection.OAuth1{ConsumerSecret: seal.NewSecret("s"), TokenSecret: seal.NewSecret("t")}},
			edit: func(*connection.Settings) {}, field: "oauth1.token_secret", says: "must be empty",
		},
		"no password": {of: connection.Settings{Kind: connection.KindBasic}, edit: func(*connection.Settings) {}, field: "basic.password", says: "required"},
		"no secret value": {of: apiKey, edit: func(s *connection.Settings) {
			s.Invocation.Query = []connection.Parameter{parameter("a", "b"), secretParameter("s", "")}
		}, field: "invocation_parameters.query[1].value", says: "required"},
		"empty value": {of: apiKey, edit: func(s *connection.Settings) { s.Invocation.Query = []connection.Parameter{parameter("a", "")} }},
		"hop-by-hop header": {of: apiKey, edit: func(s *connection.Settings) {
			s.Invocation.Headers = []connection.Parameter{parameter("X-A", "b"), parameter("Transfer-Encoding", "b")}
		}, field: "invocation_parameters.headers[1].key", says: "governed"},
		"host": {of: oauth2(), edit: func(s *connection.Settings) { s.OAuth2.Token.Headers = []connection.Parameter{parameter("host", "b")} }, field: "oauth2.token_parameters.headers[0].key", says: "governed"},
		"line break in header": {of: apiKey, edit: func(s *connection.Settings) {
			s.Invocation.Headers = []connection.Parameter{parameter("X-A", "b\r\nX-B: c")}
		}, field: "invocation_parameters.headers[0].value", says: "control characters"},
		"line break in name": {of: apiKey, edit: func(s *connection.Settings) {
			s.Invocation.Headers = []connection.Parameter{parameter("X-A\n", "b")}
		}, field: "invocation_parameters.headers[0].key", says: "control characters"},
		"header name": {of: apiKey, edit: func(s *connection.Settings) {
			s.Invocation.Headers = []connection.Parameter{parameter("X A", "b")}
		}, field: "invocation_parameters.headers[0].key", says: "RFC 9110"},
		"no name": {of: apiKey, edit: func(s *connection.Settings) {
			s.Invocation.Body = []connection.Parameter{parameter("", "b")}
		}, field: "invocation_parameters.body[0].key", says: "required"},
		"header twice": {of: apiKey, edit: func(s *connection.Settings) {
			s.Invocation.Headers = []connection.Parameter{parameter("X-A", "b"), parameter("x-a", "c")}
		}, field: "invocation_parameters.headers[1].key", says: "more than once"},
		"query twice": {of: apiKey, edit: func(s *connection.Settings) {
			s.Invocation.Query = []connection.Parameter{parameter("a", "b"), parameter("a", "c")}
		}, field: "invocation_parameters.query[1].key", says: "more than once"},
		"query in two cases": {of: apiKey, edit: func(s *connection.Settings) {
			s.Invocation.Query = []connection.Parameter{parameter("a", "b"), parameter("A", "c")}
		}},
		"the key's own header": {of: apiKey, edit: func(s *connection.Settings) {
			s.Invocation.Headers = []connection.Parameter{parameter("X-API-Key", "b")}
		}, field: "invocation_parameters.headers[0].key", says: "credential"},
		"authorization": {of: oauth2(), edit: func(s *connection.Settings) {
			s.Invocation.Headers = []connection.Parameter{parameter("authorization", "b")}
		}, field: "invocation_parameters.headers[0].key", says: "credential"},
		"authorization beside a key": {of: apiKey, edit: func(s *connection.Settings) {
			s.Invocation.Headers = []connection.Parameter{parameter("Authorization", "b")}
		}},
		"client_secret in the query": {of: oauth2(), edit: func(s *connection.Settings) {
			s.OAuth2.Token.Query = []connection.Parameter{secretParameter("client_secret", "b")}
		}, field: "oauth2.token_parameters.query[0].key", says: "protocol"},
		"audience twice": {of: oauth2(), edit: func(s *connection.Settings) {
			s.OAuth2.Audience = "a"
			s.OAuth2.Token.Body = []connection.Parameter{parameter("audience", "b")}
		}, field: "oauth2.token_parameters.body[0].key", says: "oauth2.audience"},
		"content type": {of: oauth2(), edit: func(s *connection.Settings) {
			s.OAuth2.Token.Headers = []connection.Parameter{parameter("Content-Type", "b")}
		}, field: "oauth2.token_parameters.headers[0].key", says: "RFC 6749"},
		"authorization of a token request": {of: oauth2(), edit: func(s *connection.Settings) {
			s.OAuth2.Token.Headers = []connection.Parameter{parameter("Authorization", "b")}
		}, field: "oauth2.token_parameters.headers[0].key", says: "CLIENT_SECRET_BASIC"},
		"authorization for a gateway": {of: oauth2(), edit: func(s *connection.Settings) {
			s.OAuth2.ClientAuthentication = connection.ClientSecretPost
			s.OAuth2.Token.Headers = []connection.Parameter{parameter("Authorization", "b")}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.edit(&tc.of)
			requireViolation(t, tc.of.Validate(nil), tc.field, tc.says)
		})
	}
	for _, field := range []string{"grant_type", "scope", "client_id", "client_secret", "client_assertion", "client_assertion_type"} {
		s := oauth2()
		s.OAuth2.Token.Body = []connection.Parameter{parameter(field, "b")}
		requireViolation(t, s.Validate(nil), "oauth2.token_parameters.body[0].key", field)
	}
}

func requireViolation(t *testing.T, err error, field, says string) {
	t.Helper()
	if field == "" {
		require.NoError(t, err)
		return
	}
	var invalid *connection.ValidationError
	require.ErrorAs(t, err, &invalid)
	require.Len(t, invalid.Violations, 1, "%v", invalid)
	require.Equal(t, field, invalid.Violations[0].Field)
	require.Contains(t, invalid.Violations[0].Description, says)
	require.False(t, invalid.Egress)
}

func TestValidateAsksAboutTheURLLast(t *testing.T) {
	t.Parallel()
	denied := func(string) error { return errors.New("not there") }
	var invalid *connection.ValidationError
	require.ErrorAs(t, oauth2().Validate(denied), &invalid)
	require.True(t, invalid.Egress)
	require.Equal(t, []connection.Violation{{Field: "oauth2.token_endpoint", Description: "not there"}}, invalid.Violations)

	incomplete := oauth2()
	incomplete.OAuth2.ClientSecret = seal.Secret{}
	require.ErrorAs(t, incomplete.Validate(denied), &invalid)
	require.False(t, invalid.Egress)
	require.NoError(t, connection.Settings{Kind: connection.KindBasic, Basic: connection.Basic{Password: seal.NewSecret("p")}}.Validate(denied))
}

func TestKeepingSecrets(t *testing.T) {
	t.Parallel()
	stored := oauth2()
	stored.OAuth2.Token.Body = []connection.Parameter{secretParameter("resource", "r"), parameter("open", "o")}
	stored.Invocation.Headers = []connection.Parameter{secretParameter("X-Tenant", "t"), parameter("X-Open", "o")}

	same := stored.WithoutSecrets()
	require.True(t, same.OAuth2.ClientSecret.IsZero())
	require.Equal(t, "o", same.Invocation.Headers[1].Value.Reveal())
	require.Equal(t, "t", stored.Invocation.Headers[0].Value.Reveal(), "the original is changed")
	require.True(t, same.KeepingSecrets(stored).Equal(stored))

	sent := stored.WithoutSecrets()
	sent.OAuth2.ClientSecret = seal.NewSecret("new")
	sent.Invocation.Headers = []connection.Parameter{
		parameter("x-open", ""),         // keeps its value, in any case
		secretParameter("x-tenant", ""), // keeps its secret
		secretParameter("X-New", "n"),
	}
	sent.Invocation.Query = []connection.Parameter{secretParameter("X-Tenant", "")} // another place
	sent.OAuth2.Token.Body = []connection.Parameter{secretParameter("resource", "changed"), secretParameter("open", "")}
	kept := sent.KeepingSecrets(stored)
	require.Equal(t, "new", kept.OAuth2.ClientSecret.Reveal())
	require.Equal(t, "o", kept.Invocation.Headers[0].Value.Reveal())
	require.Equal(t, "t", kept.Invocation.Headers[1].Value.Reveal())
	require.Equal(t, "n", kept.Invocation.Headers[2].Value.Reveal())
	require.True(t, kept.Invocation.Query[0].Value.IsZero())
	require.Equal(t, "changed", kept.OAuth2.Token.Body[0].Value.Reveal())
	require.Equal(t, "o", kept.OAuth2.Token.Body[1].Value.Reveal())
	require.True(t, kept.OAuth2.Token.Body[1].Secret)

	// What is secret does not become readable by calling it open.
	sent.Invocation.Headers = []connection.Parameter{parameter("X-Tenant", "")}
	require.True(t, sent.KeepingSecrets(stored).Invocation.Headers[0].Value.IsZero())
}

func TestUpdateKeepsSecrets(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		create(t, s)
		update(t, s, func(c *connection.Connection) {
			require.True(t, c.Settings.OAuth2.ClientSecret.IsZero())
			c.Settings.OAuth2.ClientID = "other"
		})
		c, err := s.Service.Settings(t.Context(), crm())
		require.NoError(t, err)
		require.Equal(t, "other", c.Settings.OAuth2.ClientID)
		require.Equal(t, "secret", c.Settings.OAuth2.ClientSecret.Reveal())
	})
}

// TestLostMasterKey shows what can be done with a connection whose secrets cannot be opened: all but use it and keep its secrets.
func TestLostMasterKey(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		create(t, s)
		s.Sealer = connectiontest.NewSealer(t)
		s.Service = s.Replica(t, s.DB)
		_, err := s.Service.Get(t.Context(), crm())
		require.NoError(t, err)
		_, err = s.Service.Settings(t.Context(), crm())
		require.ErrorIs(t, err, connection.ErrSecretsUnreadable)
		_, _, err = s.Service.Test(t.Context(), crm())
		require.ErrorIs(t, err, connection.ErrSecretsUnreadable)

		edited := func(edit func(*connection.Settings)) error {
			_, err := s.Service.Update(t.Context(), crm(), connection.Update{
				Edit: func(c connection.Connection) (connection.Connection, error) {
					edit(&c.Settings)
					return c, nil
				},
			})
			return err
		}
		require.ErrorIs(t, edited(func(s *connection.Settings) { s.OAuth2.ClientID = "other" }), connection.ErrSecretsUnreadable)
		update(t, s, func(c *connection.Connection) { c.Description = "still editable" })
		require.NoError(t, edited(func(s *connection.Settings) { s.OAuth2.ClientSecret = seal.NewSecret("new") }))
		c, err := s.Service.Settings(t.Context(), crm())
		require.NoError(t, err)
		require.Equal(t, "new", c.Settings.OAuth2.ClientSecret.Reveal())
	})
}

func TestValidateOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, s *connectiontest.Suite) {
		connectiontest.Start(t, s.Service)
		synctest.Wait()
		draft := connection.Draft{Name: crm(), Settings: oauth2()}
		c, err := s.Service.Create(t.Context(), draft, true)
		require.NoError(t, err)
		require.Empty(t, c.UID)
		_, err = s.Service.Get(t.Context(), crm())
		require.ErrorIs(t, err, connection.ErrNotFound)
		create(t, s)
		_, err = s.Service.Create(t.Context(), draft, true)
		require.ErrorIs(t, err, connection.ErrExists)
		before := requireState(t, s, connection.StateAuthorizing)

		c, err = s.Service.Update(t.Context(), crm(), connection.Update{
			ValidateOnly: true,
			Edit: func(c connection.Connection) (connection.Connection, error) {
				c.Settings.OAuth2.Audience = "x"
				return c, nil
			},
		})
		require.NoError(t, err)
		require.Equal(t, "x", c.Settings.OAuth2.Audience)
		require.Equal(t, connection.StateUpdating, c.State)
		require.Equal(t, before, requireState(t, s, connection.StateAuthorizing))
		synctest.Wait()
		require.Len(t, s.Tokens.Calls(), 1)
	})
}

// TestSettingsPrintNoSecret covers the values that end up in logs and errors by accident.
func TestSettingsPrintNoSecret(t *testing.T) {
	t.Parallel()
	s := oauth2()
	s.Invocation.Headers = []connection.Parameter{secretParameter("X-A", "canary"), parameter("X-B", "canary")}
	s.OAuth2.ClientSecret = seal.NewSecret("canary")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		require.NotContains(t, fmt.Sprintf(verb, s), "canary")
	}
	require.Equal(t, "projects/p/connections/crm/token", crm().Token())
}

func TestNames(t *testing.T) {
	t.Parallel()
	n, err := connection.ParseName("projects/p/connections/crm")
	require.NoError(t, err)
	require.Equal(t, crm(), n)
	for _, bad := range []string{"", "crm", "projects/p", "projects//connections/c", "projects/p/connections/", "projects/p/connections/c/token", "x/p/connections/c", "projects/p/x/c"} {
		_, err := connection.ParseName(bad)
		require.ErrorIs(t, err, connection.ErrInvalidName, bad)
	}
	n, ok := connection.ParseTokenName("projects/p/connections/crm/token")
	require.True(t, ok)
	require.Equal(t, crm(), n)
	for _, other := range []string{"projects/p/connections/crm", "projects/p/connections/crm/grants/g/token", "token", ""} {
		_, ok := connection.ParseTokenName(other)
		require.False(t, ok, other)
	}
}
