package commands

import (
	"fmt"
	"strings"

	connectionv1 "github.com/freshet-io/freshet/gen/freshet/connection/v1"
	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
	"github.com/freshet-io/freshet/services/connection/catalog"
)

// print prints what was learnt: a catalogue entry, with what was seen and what could not be told as comments.
func (c *connectionsProbeCmd) print(s *session, output string, oauth2 *connectionv1.OAuth2Authorization, lesson *tokenv1.Lesson) error {
	if output == "json" {
		return printJSON(s.stdout, lesson)
	}
	text, err := c.entry(oauth2, lesson).YAML()
	if err != nil {
		return err
	}
	var comments strings.Builder
	comments.WriteString("# Measured by freshet connections probe.\n")
	for _, o := range lesson.GetObservations() {
		kind := "seen"
		if !o.GetKnown() {
			kind = "not known"
		}
		fmt.Fprintf(&comments, "# %s: %s: %s\n", kind, o.GetSubject(), printable(o.GetText()))
	}
	if _, err := fmt.Fprintf(s.stdout, "%s%s", comments.String(), text); err != nil {
		return err
	}
	if _, err := catalog.Parse(c.ID+".yaml", text); err != nil {
		_, _ = fmt.Fprintf(s.stderr, "The entry needs work:\n%s\n", printableLines(err.Error()))
	}
	return nil
}

func printableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return strings.Join(lines, "\n")
}

// entry is what was learnt in the form of the catalogue. What is not known is left out.
func (c *connectionsProbeCmd) entry(oauth2 *connectionv1.OAuth2Authorization, lesson *tokenv1.Lesson) catalog.Entry {
	e := catalog.Entry{ID: c.ID, Name: c.Name, Docs: c.Docs, Grants: []string{"REFRESH_TOKEN"}}
	if e.Name == "" {
		e.Name = c.ID
	}
	dialect := oauth2.GetDialect()
	e.Token = catalog.Token{
		Endpoint: oauth2.GetTokenEndpoint(), Audience: oauth2.GetAudience(), RefreshEndpoint: dialect.GetRefreshEndpoint(),
		RefreshMethod: known(dialect.GetRefreshMethod().String()), RefreshGrant: dialect.GetRefreshGrantType(),
		ScopeSeparator: dialect.GetScopeSeparator(), FieldNames: dialect.GetFieldNames(),
		Method: known(dialect.GetMethod().String()), Encoding: known(dialect.GetEncoding().String()),
		Response: catalog.Response{
			AccessToken: dialect.GetAccessTokenPath(), RefreshToken: dialect.GetRefreshTokenPath(), ExpiresIn: dialect.GetExpiresInPath(),
			ExpiresAt: dialect.GetExpiresAtPath(), Scope: dialect.GetScopePath(), RefreshExpiresIn: dialect.GetRefreshTokenExpiresInPath(),
			Error: dialect.GetErrorPath(), ErrorCodes: dialect.GetErrorCodes(),
		},
	}
	if unit := known(lesson.GetLifetimeUnit().String()); unit != "SECONDS" {
		e.Token.Response.ExpiresInUnit = unit
	}
	for code, meaning := range lesson.GetErrorCodes() {
		if e.Token.Response.ErrorCodes == nil {
			e.Token.Response.ErrorCodes = map[string]string{}
		}
		e.Token.Response.ErrorCodes[code] = meaning
	}
	e.API.AuthorizationScheme, e.API.AccessTokenHeader = dialect.GetAuthorizationScheme(), dialect.GetAccessTokenHeader()
	e.Revoke.Endpoint = oauth2.GetProviderBehavior().GetRevocationEndpoint()
	for i, way := range lesson.GetClientAuthentications() {
		if i == 0 {
			e.Auth.ClientAuthentication = way.String()
		} else {
			e.Auth.Alternatives = append(e.Auth.Alternatives, way.String())
		}
	}
	c.behavior(&e, lesson)
	return e
}

// behavior puts in how the server treats refreshing.
func (c *connectionsProbeCmd) behavior(e *catalog.Entry, lesson *tokenv1.Lesson) {
	behavior := lesson.GetBehavior()
	if lesson.GetLifetime() != nil {
		e.Lifetime = catalog.Lifetime{Default: catalog.Duration(lesson.GetLifetime().AsDuration()), Source: "FIELD"}
	}
	e.Refresh.SameTokenOK = lesson.GetEarlyRefresh() == tokenv1.Lesson_SAME_TOKEN
	e.Rotation = catalog.Rotation{
		Mode:     map[tokenv1.Lesson_Rotation]string{tokenv1.Lesson_NEVER: "NONE", tokenv1.Lesson_ALWAYS: "ALWAYS", tokenv1.Lesson_SOMETIMES: "SOMETIMES"}[lesson.GetRotation()],
		Recovery: known(behavior.GetRotationRecovery().String()), Grace: catalog.Duration(behavior.GetRotationGrace().AsDuration()),
		MaxIdle: catalog.Duration(lesson.GetRefreshTokenLifetime().AsDuration()),
	}
	if e.Rotation.Mode == "ALWAYS" && e.Rotation.Recovery == "" {
		e.Rotation.Recovery = "SINGLE_USE" // the cautious one
	}
	e.OldAccessToken = catalog.OldAccessToken{
		Fate: known(behavior.GetOldAccessToken().String()), Leeway: catalog.Duration(behavior.GetOldAccessTokenLeeway().AsDuration()),
	}
}

// known is the name of a value of the contract; empty for the one that is not set.
func known(name string) string {
	if strings.HasSuffix(name, "_UNSPECIFIED") {
		return ""
	}
	return name
}
