package connection

import (
	"fmt"
	"strings"
)

// Name identifies a connection: `projects/{Project}/connections/{ID}`.
type Name struct {
	Project string
	ID      string
}

// ParseName reads a resource name. It checks the form, not which characters the parts may have: that is the contract's rule.
func ParseName(s string) (Name, error) {
	parts := strings.Split(s, "/")
	if len(parts) != 4 || parts[0] != "projects" || parts[2] != "connections" || parts[1] == "" || parts[3] == "" {
		return Name{}, fmt.Errorf("%w: %q: want projects/{project}/connections/{connection}", ErrInvalidName, s)
	}
	return Name{Project: parts[1], ID: parts[3]}, nil
}

// String returns the resource name.
func (n Name) String() string { return "projects/" + n.Project + "/connections/" + n.ID }

// Token returns the resource name of the connection's token.
func (n Name) Token() string { return n.String() + "/token" }

// ParseTokenName returns the connection whose own token has the given resource name. Tokens of grants are not a connection's own: ok is
// false for them, and for anything that is no token name.
func ParseTokenName(s string) (n Name, ok bool) {
	name, found := strings.CutSuffix(s, "/token")
	if !found {
		return Name{}, false
	}
	n, err := ParseName(name)
	return n, err == nil
}
