package commands

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
)

// show prints a connection.
func (f *clientFlags) show(s *session, c *connectionv1.Connection) error {
	if f.Output == "json" {
		return printJSON(s.stdout, c)
	}
	t := newTable(s.stdout)
	t.property("Name", c.GetName())
	t.property("Description", c.GetDescription())
	t.property("Kind", authorizationKind(c))
	t.property("State", c.GetState().String())
	t.property("Since", relative(c.GetStateTime(), s.now()))
	t.property("Reason", reasonText(c.GetStateReason()))
	t.property("Message", c.GetStateMessage())
	if oauth2 := c.GetOauth2(); oauth2 != nil {
		t.property("Provider", last(oauth2.GetProvider()))
		t.property("Token endpoint", oauth2.GetTokenEndpoint())
		t.property("Client id", oauth2.GetClientId())
		if oauth2.GetClientAuthentication() != connectionv1.OAuth2Authorization_CLIENT_AUTHENTICATION_UNSPECIFIED {
			t.property("Client authentication", oauth2.GetClientAuthentication().String())
		}
		t.property("Scopes", strings.Join(oauth2.GetScopes(), " "))
		t.property("Audience", oauth2.GetAudience())
		t.property("Token parameters", parameters(oauth2.GetTokenParameters()))
	}
	t.property("Header", c.GetApiKey().GetName())
	t.property("User name", c.GetBasic().GetUsername())
	t.property("Consumer key", c.GetOauth1().GetConsumerKey())
	t.property("Invocation parameters", parameters(c.GetInvocationParameters()))
	t.property("Created", relative(c.GetCreateTime(), s.now()))
	t.property("Changed", relative(c.GetUpdateTime(), s.now()))
	t.property("Authorized", relative(c.GetAuthorizeTime(), s.now()))
	t.property("Grant ends", relative(c.GetGrantExpireTime(), s.now()))
	t.property("Etag", c.GetEtag())
	return t.flush()
}

// authorizationKind is how a connection authenticates: its grant type for OAuth 2.0.
func authorizationKind(c *connectionv1.Connection) string {
	switch authorization := c.GetAuthorization().(type) {
	case *connectionv1.Connection_Oauth2:
		return "OAUTH2 " + authorization.Oauth2.GetGrantType().String()
	case *connectionv1.Connection_ApiKey:
		return "API_KEY"
	case *connectionv1.Connection_Basic:
		return "BASIC"
	case *connectionv1.Connection_Oauth1:
		return "OAUTH1"
	default:
		return "" // a kind that is newer than this build
	}
}

// parameters lists what is added to a request, without the values of secrets.
func parameters(p *connectionv1.HttpParameters) string {
	var out []string
	add := func(place string, list []*connectionv1.HttpParameter) {
		for _, parameter := range list {
			value := parameter.GetValue()
			if parameter.GetSecret() {
				value = redacted
			}
			out = append(out, place+" "+parameter.GetKey()+"="+value)
		}
	}
	add("header", p.GetHeaders())
	add("query", p.GetQuery())
	add("body", p.GetBody())
	return strings.Join(out, ", ")
}

// enumValue reads the name of a value in a flag; empty is not set.
func enumValue(flag, text string, values map[string]int32) (int32, error) {
	if text == "" {
		return 0, nil
	}
	if value, ok := values[strings.ToUpper(text)]; ok && value != 0 {
		return value, nil
	}
	names := slices.SortedFunc(maps.Keys(values), func(a, b string) int { return cmp.Compare(values[a], values[b]) })
	return 0, usagef("%s: %q is none of %s", flag, text, strings.Join(names[1:], ", "))
}
