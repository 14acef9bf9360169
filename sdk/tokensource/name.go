package tokensource

import (
	"fmt"
	"regexp"
	"strings"
)

// tokenName is the pattern of GetTokenRequest.name with an optional last segment.
var tokenName = regexp.MustCompile(`^projects/[a-z0-9][a-z0-9-]{0,62}` +
	`/connections/[A-Za-z0-9][A-Za-z0-9._-]{0,63}` +
	`(/grants/[A-Za-z0-9][A-Za-z0-9._-]{0,63})?(/token)?$`)

// completeName returns the token's full resource name.
func completeName(name string) (string, error) {
	if !tokenName.MatchString(name) {
		return "", fmt.Errorf("tokensource: name %q: want projects/{project}/connections/{connection}[/grants/{grant}][/token]", name)
	}
	// Collections and ids come in pairs, so an even number of slashes means
	// that the last segment is not an id that happens to be "token".
	if strings.HasSuffix(name, "/token") && strings.Count(name, "/")%2 == 0 {
		return name, nil
	}
	return name + "/token", nil
}
