package commands

import (
	"strconv"
	"strings"

	tokenv1 "github.com/freshet-io/freshet/gen/freshet/token/v1"
)

// printToken prints a token whose secrets were taken out unless showSecret.
func printToken(s *session, output string, token *tokenv1.Token, showSecret bool) error {
	if output == "json" {
		return printJSON(s.stdout, token)
	}
	t := newTable(s.stdout)
	t.property("Name", token.GetName())
	t.property("Generation", strconv.FormatInt(token.GetGeneration(), 10))
	t.property("State", token.GetState().String())
	t.property("Reason", reasonText(token.GetStateReason()))
	t.property("Message", token.GetStateMessage())
	t.property("Type", typeText(token))
	t.property("Bound to key", token.GetDpop().GetJwkThumbprint())
	t.property("Scopes", strings.Join(token.GetScopes(), " "))
	t.property("Issued", relative(token.GetIssueTime(), s.now()))
	t.property("Expires", expiry(s, token))
	t.property("Next refresh", relative(token.GetNextRefreshTime(), s.now()))
	t.property("Grant expires", relative(token.GetGrantExpireTime(), s.now()))
	t.property("Refresh health", health(s, token.GetRefreshHealth()))
	t.property("Fingerprint", token.GetFingerprint())
	if showSecret {
		t.property("Access token", token.GetAccessToken())
		credential := token.GetCredential()
		secretFields(t, "Header", credential.GetHeaders())
		secretFields(t, "Query", credential.GetQuery())
		secretFields(t, "Body", credential.GetBody())
	}
	return t.flush()
}

func typeText(token *tokenv1.Token) string {
	if token.GetDpopDeclined() {
		return token.GetTokenType() + "; the connection asks for one that is bound to a key"
	}
	return token.GetTokenType()
}

func secretFields(t table, place string, fields []*tokenv1.HttpCredentialField) {
	for _, field := range fields {
		t.property(place+" "+field.GetKey(), field.GetValue())
	}
}

func expiry(s *session, token *tokenv1.Token) string {
	if token.GetExpireTime() == nil {
		if token.GetState() == tokenv1.Token_AUTHORIZED {
			return "never"
		}
		return ""
	}
	text := relative(token.GetExpireTime(), s.now())
	if token.GetExpirySource() != tokenv1.Token_EXPIRY_SOURCE_UNSPECIFIED {
		text += " (" + token.GetExpirySource().String() + ")"
	}
	return text
}

func health(s *session, h *tokenv1.RefreshHealth) string {
	if h.GetStatus() == tokenv1.RefreshHealth_STATUS_UNSPECIFIED {
		return ""
	}
	text := h.GetStatus().String()
	if h.GetConsecutiveFailures() > 0 {
		text += ", " + plural(int(h.GetConsecutiveFailures()), "failure")
	}
	if h.GetLastFailureMessage() != "" {
		text += ": " + h.GetLastFailureMessage()
	}
	if h.GetNextAttemptTime() != nil {
		text += "; next attempt " + relative(h.GetNextAttemptTime(), s.now())
	}
	return text
}

// secretText is the credential on one line: the access token, or for a static credential what puts it on a request.
func secretText(token *tokenv1.Token) string {
	if token.GetAccessToken() != "" {
		return token.GetAccessToken()
	}
	var parts []string
	for _, field := range token.GetCredential().GetHeaders() {
		parts = append(parts, field.GetKey()+": "+field.GetValue())
	}
	return strings.Join(parts, ", ")
}
